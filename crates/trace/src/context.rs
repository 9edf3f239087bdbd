//! The place of a span among all traces, as W3C Trace Context writes it:
//! `00-<trace id>-<span id>-<flags>`, in lower-case hexadecimal digits.

use std::fmt::Write;

/// Which span of which trace. Neither id is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace_id: u128,
    /// The span.
    pub span_id: u64,
}

/// What a caller sends in `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The caller's own span.
    pub context: SpanContext,
    /// Whether the caller records its trace.
    pub is_sampled: bool,
}

/// The length of a value of version 00.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

impl SpanContext {
    /// A span of a new trace.
    pub(crate) fn new_trace() -> Self {
        Self {
            trace_id: rand::random::<u128>().max(1),
            span_id: new_span_id(),
        }
    }

    /// Another span of the same trace.
    pub(crate) fn sibling(self) -> Self {
        Self {
            span_id: new_span_id(),
            ..self
        }
    }

    /// Adds the value of a `traceparent` to a text.
    pub(crate) fn write(self, is_sampled: bool, text: &mut String) {
        let flags = u8::from(is_sampled) * SAMPLED;
        let Self { trace_id, span_id } = self;
        // Writing into a string cannot fail.
        let _ = write!(text, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}");
    }
}

fn new_span_id() -> u64 {
    rand::random::<u64>().max(1)
}

impl Parent {
    /// Reads a value; `None` where it is not valid: then it is as if there was no header. A version that is
    /// not known may have more behind the flags.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let mut parts = text.splitn(5, '-');
        let (version, trace_id) = (parts.next()?, parts.next()?);
        let (span_id, flags) = (parts.next()?, parts.next()?);
        let version = number(version, 2)?;
        let has_length = match version {
            0 => text.len() == LENGTH,
            0xff => false,
            _ => text.len() == LENGTH || parts.next().is_some(),
        };
        let context = SpanContext {
            trace_id: number(trace_id, 32)?,
            span_id: u64::try_from(number(span_id, 16)?).ok()?,
        };
        let flags = u8::try_from(number(flags, 2)?).ok()?;
        let is_valid = has_length && context.trace_id != 0 && context.span_id != 0;
        is_valid.then_some(Self {
            context,
            is_sampled: flags & SAMPLED != 0,
        })
    }
}

/// So many lower-case hexadecimal digits.
fn number(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_number = text.len() == digits && text.as_bytes().iter().all(is_digit);
    if !is_number {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_value_is_read_and_written_as_the_standard_has_it() {
        let parent = Parent::read(EXAMPLE.as_bytes()).unwrap();
        assert!(parent.is_sampled);
        assert_eq!(
            parent.context.trace_id,
            0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736
        );
        assert_eq!(parent.context.span_id, 0x00f0_67aa_0ba9_02b7);
        let mut written = String::new();
        parent.context.write(true, &mut written);
        assert_eq!(written, EXAMPLE);
        let unsampled = EXAMPLE.replace("-01", "-00");
        assert!(!Parent::read(unsampled.as_bytes()).unwrap().is_sampled);
        // Other flags mean nothing here.
        let flags = EXAMPLE.replace("-01", "-03");
        assert!(Parent::read(flags.as_bytes()).unwrap().is_sampled);
    }

    #[test]
    fn a_later_version_may_have_more_behind_the_flags() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        assert_eq!(
            Parent::read(later.as_bytes()),
            Parent::read(EXAMPLE.as_bytes())
        );
        let longer = format!("{later}-what-comes");
        assert!(Parent::read(longer.as_bytes()).is_some());
        assert_eq!(Parent::read(format!("{later}x").as_bytes()), None);
    }

    #[test]
    fn what_is_not_valid_is_as_if_it_was_not_there() {
        for value in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b77-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        ] {
            assert_eq!(Parent::read(value.as_bytes()), None, "{value}");
        }
        assert_eq!(Parent::read(&[0xff; LENGTH]), None);
    }
}
