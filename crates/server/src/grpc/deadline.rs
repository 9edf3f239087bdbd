//! A call's deadline: what its `grpc-timeout` and its `lastro-deadline` say, within the face's own
//! bound.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue};
use proto::DEADLINE_HEADER;

use super::clock::{NotOfThisClock, ServerClock};
use super::limits::GrpcLimits;
use super::status::Status;

/// When the call that came at `started` has to be answered. One that came after its
/// `lastro-deadline` is not begun.
pub(super) fn deadline(
    headers: &HeaderMap,
    started: Instant,
    limits: &GrpcLimits,
    clock: ServerClock,
) -> Result<Instant, Status> {
    let timeout = match headers.get("grpc-timeout") {
        None => limits.deadline_default,
        Some(value) => {
            let invalid =
                || Status::invalid("grpc-timeout must be 1 to 8 digits and one of H M S m u n");
            parse(value).ok_or_else(invalid)?
        }
    };
    let left = match headers.get(DEADLINE_HEADER) {
        None => limits.deadline_max,
        Some(value) => match clock.left(value.as_bytes()) {
            Ok(left) => left.ok_or_else(Status::late)?,
            Err(NotOfThisClock::Other) => return Err(Status::other_clock()),
            Err(NotOfThisClock::Unreadable) => {
                return Err(Status::invalid(
                    "lastro-deadline must be the 16 hexadecimal digits of the clock, `-`, and microseconds",
                ));
            }
        },
    };
    Ok(started + timeout.min(limits.deadline_max).min(left))
}

fn parse(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    let is_number = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let timeout = match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    };
    is_number.then_some(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| parse(&HeaderValue::from_static(text));
        assert_eq!(read("1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        for bad in [
            "",
            "1",
            "S",
            "1s",
            "-1S",
            "+1S",
            "1.5S",
            "123456789S",
            "1 S",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_call_takes_longer_than_the_face_lets_it() {
        let limits = GrpcLimits::default();
        let started = Instant::now();
        let after = |text: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.extend(text.map(|text| {
                let name = axum::http::HeaderName::from_static("grpc-timeout");
                (name, HeaderValue::from_static(text))
            }));
            deadline(&headers, started, &limits, ServerClock::new()).unwrap() - started
        };
        assert_eq!(after(None), limits.deadline_default);
        assert_eq!(after(Some("2S")), Duration::from_secs(2));
        assert_eq!(after(Some("99999999H")), limits.deadline_max);
    }

    #[test]
    fn a_deadline_on_the_clock_does_not_move_with_the_message() {
        let (limits, clock) = (GrpcLimits::default(), ServerClock::new());
        let started = Instant::now();
        let left = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(DEADLINE_HEADER, HeaderValue::from_str(text).unwrap());
            deadline(&headers, started, &limits, clock).map(|deadline| deadline - started)
        };
        let named = |id, at| proto::write_deadline(id, at);
        let soon = clock.now() + Duration::from_secs(1);
        assert!(left(&named(clock.id(), soon)).unwrap() <= Duration::from_secs(1));
        // It lengthens nothing.
        let far = clock.now() + Duration::from_secs(9_999);
        assert_eq!(left(&named(clock.id(), far)), Ok(limits.deadline_default));
        let passed = clock.now() - Duration::from_millis(1);
        assert_eq!(left(&named(clock.id(), passed)), Err(Status::late()));
        assert_eq!(
            left(&named(clock.id() ^ 1, far)),
            Err(Status::other_clock())
        );
        for unreadable in [
            "",
            "1",
            "-",
            "0123456789abcdef-",
            "0123456789abcdef-x",
            "x-1",
        ] {
            assert!(left(unreadable).is_err_and(|status| status != Status::late()));
        }
    }
}
