//! Deadlines on the ledger's clock: the header `lastro-deadline`.

use std::time::Duration;

/// The header that names a deadline on the ledger's clock, which `GetClock` shows.
pub const DEADLINE_HEADER: &str = "lastro-deadline";

/// How many hexadecimal digits a clock's id has.
const ID_DIGITS: usize = 16;

/// The header's text.
#[must_use]
pub fn write_deadline(clock_id: u64, deadline: Duration) -> String {
    format!("{clock_id:016x}-{}", deadline.as_micros())
}

/// What the header says: which clock, and the time on it.
#[must_use]
pub fn read_deadline(header: &[u8]) -> Option<(u64, Duration)> {
    let (id, rest) = header.split_at_checked(ID_DIGITS)?;
    let micros = rest.strip_prefix(b"-")?;
    let is_id = id.iter().all(u8::is_ascii_hexdigit);
    let is_number = !micros.is_empty() && micros.iter().all(u8::is_ascii_digit);
    if !is_id || !is_number {
        return None;
    }
    let id = u64::from_str_radix(std::str::from_utf8(id).ok()?, 16).ok()?;
    let micros = std::str::from_utf8(micros).ok()?.parse().ok()?;
    Some((id, Duration::from_micros(micros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_read_as_it_was_written() {
        for (id, micros) in [(1, 0), (u64::MAX, 1), (0x0123, u64::MAX)] {
            let deadline = Duration::from_micros(micros);
            let text = write_deadline(id, deadline);
            assert_eq!(
                read_deadline(text.as_bytes()),
                Some((id, deadline)),
                "{text}"
            );
        }
        for text in [
            "",
            "1-1",
            "000000000000000g-1",
            "0000000000000001",
            "0000000000000001-",
        ] {
            assert_eq!(read_deadline(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            read_deadline(b"0000000000000001-99999999999999999999"),
            None
        );
        assert_eq!(read_deadline(b"+000000000000001-1"), None);
    }
}
