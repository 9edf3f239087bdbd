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
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let nanos = at.as_nanos();
        Self {
            us: nanos / 1_000,
            ns: u16::try_from(nanos % 1_000).unwrap_or(0),
        }
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        Self::from_nanos(moment.us.saturating_mul(1_000) + u64::from(moment.ns))
    }
}

/// The timestamp that comes next.
pub(crate) fn moment(bytes: &mut Bytes<'_>) -> Result<Timestamp, Damaged> {
    let us = bytes.u64()?;
    let ns = bytes.u16()?;
    Ok(Moment { us, ns }.into())
}
