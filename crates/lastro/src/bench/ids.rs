//! Ids of transfers, as the two kinds of UUID that callers use: see RFC 9562.

use std::time::Duration;

use ledger::TransferId;

/// How ids are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum IdKind {
    /// Random.
    V4,
    /// In the order of their times.
    V7,
}

impl IdKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V7 => "v7",
        }
    }
}

/// Everything but the version and the variant.
const FREE: u128 = !((0xf << 76) | (0b11 << 62));
const VARIANT: u128 = 0b10 << 62;

/// An id of version 4: 122 of the random bits.
pub(super) const fn v4(random: u128) -> TransferId {
    TransferId::from_u128((random & FREE) | (4 << 76) | VARIANT)
}

/// An id of version 7: 48 bits of milliseconds since 1970, 12 bits of their fraction, and 62 of the random
/// bits.
pub(super) fn v7(since_1970: Duration, random: u128) -> TransferId {
    const RANDOM: u128 = (1 << 62) - 1;
    let ms = since_1970.as_millis() & ((1 << 48) - 1);
    let fraction = u128::from(since_1970.subsec_nanos() % 1_000_000) * 4_096 / 1_000_000;
    let id = (ms << 80) | (7 << 76) | (fraction << 64) | VARIANT | (random & RANDOM);
    TransferId::from_u128(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_their_version() {
        for (id, expected) in [
            (v4(0), "00000000-0000-4000-8000-000000000000"),
            (v4(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff"),
            // The example of RFC 9562, appendix A.6.
            (
                v7(
                    Duration::from_millis(0x017f_22e2_79b0),
                    0x18c4_dc0c_0c07_398f,
                ),
                "017f22e2-79b0-7000-98c4-dc0c0c07398f",
            ),
            (
                v7(Duration::from_nanos(1_999_999), u128::MAX),
                "00000000-0001-7fff-bfff-ffffffffffff",
            ),
        ] {
            assert_eq!(id.to_string(), expected);
        }
    }

    #[test]
    fn later_ids_of_version_7_are_greater() {
        // A step is more than the 4,096th part of a millisecond.
        let times =
            (0..10_000).map(|step| Duration::from_nanos(1_700_000_000_000_000_000 + step * 250));
        let ids: Vec<_> = times
            .map(|at| v7(at, u128::from(at.subsec_nanos()) << 40))
            .collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
    }
}
