//! Tables with aligned columns, and lists that are printed until nobody reads any more.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;

use anyhow::Context;

/// Where the cells of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Takes the next row.
pub(crate) type TakeRow<'a, const COLUMNS: usize> =
    &'a mut dyn FnMut([String; COLUMNS]) -> io::Result<()>;

/// Prints what `rows` hands over below the columns' names. It is asked twice, the first time for the widths of
/// the columns, and has to hand over the same both times.
pub(crate) fn print<const COLUMNS: usize>(
    out: &mut impl Write,
    columns: [(&str, Side); COLUMNS],
    rows: impl Fn(TakeRow<'_, COLUMNS>) -> io::Result<()>,
) -> io::Result<()> {
    let mut widths = columns.map(|(name, _)| name.len());
    rows(&mut |cells| {
        for (width, cell) in widths.iter_mut().zip(&cells) {
            *width = cell.chars().count().max(*width);
        }
        Ok(())
    })?;
    let mut print_row = |cells: [String; COLUMNS]| {
        let mut line = String::new();
        for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let gap = if place == 0 { "" } else { "  " };
            line += &match columns[place].1 {
                Side::Left => format!("{gap}{cell:<width$}"),
                Side::Right => format!("{gap}{cell:>width$}"),
            };
        }
        writeln!(out, "{}", line.trim_end())
    };
    print_row(columns.map(|(name, _)| name.to_owned()))?;
    rows(&mut print_row)
}

/// Lets `print` write to standard output. Who closed it has seen enough.
pub(crate) fn to_stdout(
    print: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        printed => {
            printed.context("cannot print the list")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let columns = [
            ("name", Side::Left),
            ("n", Side::Right),
            ("last", Side::Left),
        ];
        let rows = [["a", "1", "x"], ["bé-long", "-22", ""]];
        print(&mut out, columns, |take| {
            rows.iter().try_for_each(|row| take(row.map(str::to_owned)))
        })
        .unwrap();
        let expected = "name       n  last\na          1  x\nbé-long  -22\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
