//! Where a record lies: one number for the whole journal.

use std::fmt;
use std::num::NonZeroU64;

/// The global byte position of a record: `segment_number * segment_bytes + offset`.
///
/// Addresses grow with the records, are never reused, and are never 0 (a segment's header comes
/// first), so an `Option<Address>` takes 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(NonZeroU64);

impl Address {
    /// The number to store; [`Address::from_u64`] gives the address back.
    pub const fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// The address stored as this number; `None` for 0, which is no address.
    pub const fn from_u64(position: u64) -> Option<Self> {
        match NonZeroU64::new(position) {
            Some(position) => Some(Self(position)),
            None => None,
        }
    }

    /// The address of a position inside some segment, past its header: never 0.
    pub(crate) fn at(position: u64) -> Self {
        debug_assert_ne!(position, 0, "a segment's header comes first");
        Self(NonZeroU64::MIN.saturating_add(position.saturating_sub(1)))
    }

    /// The segment's number and the offset inside it.
    pub(crate) fn split(self, segment_bytes: u64) -> (u64, u64) {
        (self.to_u64() / segment_bytes, self.to_u64() % segment_bytes)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_takes_eight_bytes() {
        assert_eq!(size_of::<Option<Address>>(), 8);
    }

    #[test]
    fn numbers_go_round() {
        assert_eq!(Address::from_u64(0), None);
        for position in [1, 128, u64::MAX] {
            assert_eq!(Address::at(position).to_u64(), position);
            assert_eq!(Address::from_u64(position), Some(Address::at(position)));
        }
        assert_eq!(Address::at(4096 * 7 + 130).split(4096), (7, 130));
    }
}
