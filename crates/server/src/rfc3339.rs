//! Times as text: RFC 3339; printed in UTC with a `Z`, read with any offset.

use std::fmt;

use jiff::civil::DateTime;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::{DateTimePrinter, Pieces};
use ledger::Timestamp;
use serde::{Serialize, Serializer};

const MICROSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
const NANOSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(9));

/// With nanoseconds: `2024-01-17T02:34:41.217753123Z`.
#[derive(Clone, Copy)]
pub(crate) struct Nanos(pub(crate) Timestamp);

/// With microseconds, cut and not rounded: `2024-01-17T02:34:41.217753Z`.
pub(crate) struct Micros(pub(crate) Timestamp);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&NANOSECONDS, self.0, f)
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&MICROSECONDS, self.0, f)
    }
}

/// A time as the API has it: `2024-01-17T02:34:41.217753123Z`.
#[must_use]
pub fn time_text(at: Timestamp) -> String {
    Nanos(at).to_string()
}

fn print(printer: &DateTimePrinter, at: Timestamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos()));
    let at = at.expect("64 bits of nanoseconds end before the year 2555, jiff's times in 9999");
    printer
        .print_timestamp(&at, StdFmtWrite(f))
        .map_err(|_| fmt::Error)
}

/// The time that the text says; what is before 1970 or beyond 64 bits of nanoseconds is the
/// nearest that can be said. `None` when it says none.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    // Jiff also reads a time zone's name in brackets, which RFC 3339 does not have. Its own
    // timestamps end a day before the last that can be written.
    let pieces = Pieces::parse(text).ok().filter(|_| !text.contains('['))?;
    let offset = i128::from(pieces.to_numeric_offset()?.seconds());
    let local = pieces.date().to_datetime(pieces.time()?);
    let since_epoch = local.duration_since(DateTime::new(1970, 1, 1, 0, 0, 0, 0).ok()?);
    let nanos = since_epoch.as_nanos() - offset * 1_000_000_000;
    let nanos = nanos.clamp(0, i128::from(u64::MAX));
    u64::try_from(nanos).ok().map(Timestamp::from_nanos)
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_with_all_their_digits() {
        let at = Timestamp::from_nanos(1_705_458_881_217_753_999);
        assert_eq!(Micros(at).to_string(), "2024-01-17T02:34:41.217753Z");
        assert_eq!(Nanos(at).to_string(), "2024-01-17T02:34:41.217753999Z");
        let epoch = Timestamp::from_nanos(0);
        assert_eq!(Micros(epoch).to_string(), "1970-01-01T00:00:00.000000Z");
        let end = Timestamp::from_nanos(u64::MAX);
        assert_eq!(Nanos(end).to_string(), "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn every_time_that_can_be_written_is_read() {
        let read = |text| parse(text).map(Timestamp::as_nanos);
        assert_eq!(read("1970-01-01T00:00:00.000000001Z"), Some(1));
        assert_eq!(read("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(read("1969-12-31T23:00:01-01:00"), Some(1_000_000_000));
        assert_eq!(
            read("2024-01-17T02:34:41.217753999Z"),
            Some(1_705_458_881_217_753_999)
        );
        assert_eq!(read("9999-12-31T23:59:59Z"), Some(u64::MAX));
        assert_eq!(read("9999-12-31T23:59:59.999999999-23:59"), Some(u64::MAX));
        assert_eq!(read("0001-01-01T00:00:00Z"), Some(0));
        for bad in [
            "",
            "now",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-02-30T00:00:00Z",
            "T00:00:00Z",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
