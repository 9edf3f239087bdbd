//! A call's deadline: what its `grpc-timeout` says, within the face's own bound.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue};

use super::limits::GrpcLimits;
use super::status::Status;

/// When the call that came at `started` has to be answered.
pub(super) fn deadline(
    headers: &HeaderMap,
    started: Instant,
    limits: &GrpcLimits,
) -> Result<Instant, Status> {
    let timeout = match headers.get("grpc-timeout") {
        None => limits.deadline_default,
        Some(value) => {
            let invalid = || Status::invalid("grpc-timeout is at most 8 digits and one of HMSmun");
            parse(value).ok_or_else(invalid)?
        }
    };
    Ok(started + timeout.min(limits.deadline_max))
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
            deadline(&headers, started, &limits).unwrap() - started
        };
        assert_eq!(after(None), limits.deadline_default);
        assert_eq!(after(Some("2S")), Duration::from_secs(2));
        assert_eq!(after(Some("99999999H")), limits.deadline_max);
    }
}
