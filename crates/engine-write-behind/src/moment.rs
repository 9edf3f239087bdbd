//! Times as the library counts them: microseconds, and the nanoseconds beside them.

use ledger::Timestamp;

use crate::bytes::Bytes;
use crate::error::Damaged;

/// A timestamp in two exact parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) us: u64,
    pub(crate) ns: u16,
}

impl Moment {
    pub(crate) fn encode(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.us.to_be_bytes());
        bytes.extend(self.ns.to_be_bytes());
    }

    /// The same time.
    ///
    /// # Errors
    ///
    /// When it is later than any timestamp: no node wrote it.
    pub(crate) fn timestamp(self) -> Result<Timestamp, Damaged> {
        let nanos = self.us.checked_mul(1_000);
        let nanos = nanos.and_then(|nanos| nanos.checked_add(self.ns.into()));
        nanos.map(Timestamp::from_nanos).ok_or(Damaged)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let nanos = at.as_nanos();
        let Ok(ns) = u16::try_from(nanos % 1_000) else {
            unreachable!("what is left of a division by a thousand is less than a thousand");
        };
        Self {
            us: nanos / 1_000,
            ns,
        }
    }
}

/// The timestamp that comes next.
pub(crate) fn moment(bytes: &mut Bytes<'_>) -> Result<Timestamp, Damaged> {
    let us = bytes.u64()?;
    let ns = bytes.u16()?;
    Moment { us, ns }.timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_back_as_it_was_and_one_past_all_timestamps_is_damage() {
        let at = Timestamp::from_nanos(1_700_000_000_123_456_789);
        assert_eq!(Moment::from(at).timestamp(), Ok(at));
        let us = u64::MAX / 1_000 + 1;
        assert_eq!(Moment { us, ns: 0 }.timestamp(), Err(Damaged));
    }
}
