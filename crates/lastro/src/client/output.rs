//! Records and lists, as tables or as lines of JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::table::{self, Side};

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Table,
    /// One object a line, for programs.
    Json,
}

/// A line of JSON.
pub(super) fn print_json(record: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, record)?;
    writeln!(out)
}

/// One record, a line for each of its fields.
pub(super) fn print_fields(fields: &[(&str, String)]) -> io::Result<()> {
    let width = fields.iter().map(|(name, _)| name.len()).max();
    let Some(width) = width else { return Ok(()) };
    let mut out = io::stdout().lock();
    for (name, value) in fields {
        writeln!(out, "{}", format!("{name:<width$}  {value}").trim_end())?;
    }
    Ok(())
}

/// A list: lines of JSON leave as they come, a table when its columns' widths are known.
pub(super) struct List<const COLUMNS: usize> {
    form: Form,
    columns: [(&'static str, Side); COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> List<COLUMNS> {
    pub(super) const fn new(form: Form, columns: [(&'static str, Side); COLUMNS]) -> Self {
        Self {
            form,
            columns,
            rows: Vec::new(),
        }
    }

    /// How it is printed.
    pub(super) const fn form(&self) -> Form {
        self.form
    }

    pub(super) fn add(
        &mut self,
        record: &impl Serialize,
        row: impl FnOnce() -> [String; COLUMNS],
    ) -> io::Result<()> {
        match self.form {
            Form::Json => print_json(record),
            Form::Table => {
                self.rows.push(row());
                Ok(())
            }
        }
    }

    pub(super) fn end(self) -> io::Result<()> {
        match self.form {
            Form::Json => Ok(()),
            Form::Table => table::print(&mut io::stdout().lock(), self.columns, |take| {
                self.rows.iter().cloned().try_for_each(take)
            }),
        }
    }
}

/// The text, or a dash where there is none.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}
