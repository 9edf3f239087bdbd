//! Which share of the requests is traced.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A share from 0 (no request) to 1 (every request).
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Ratio {
    /// A request is traced if its random number of 64 bits is below it.
    threshold: u128,
}

/// A share that is not from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the share of the traced requests is a number from 0 to 1, such as 0.01 for one in a hundred"
)]
pub struct RatioInvalid;

const ALL: u128 = 1 << 64;

impl TryFrom<f64> for Ratio {
    type Error = RatioInvalid;

    fn try_from(share: f64) -> Result<Self, RatioInvalid> {
        if !(0.0..=1.0).contains(&share) {
            return Err(RatioInvalid);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share from 0 to 1 of 2^64, which a double has exactly"
        )]
        let threshold = (share * ALL as f64) as u128;
        Ok(Self { threshold })
    }
}

impl FromStr for Ratio {
    type Err = RatioInvalid;

    fn from_str(text: &str) -> Result<Self, RatioInvalid> {
        text.parse::<f64>().map_err(|_| RatioInvalid)?.try_into()
    }
}

impl Ratio {
    /// Whether this request is one of the share.
    pub(crate) fn takes(self) -> bool {
        match self.threshold {
            0 => false,
            threshold => u128::from(rand::random::<u64>()) < threshold,
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(
            clippy::cast_precision_loss,
            reason = "it was made of a double, and is shown as one"
        )]
        let share = self.threshold as f64 / ALL as f64;
        write!(f, "{share}")
    }
}

impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ratio({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_from_0_to_1() {
        for text in ["0", "1", "0.01", "1e-3", "0.5"] {
            let ratio: Ratio = text.parse().unwrap();
            let shown: f64 = ratio.to_string().parse().unwrap();
            let given: f64 = text.parse().unwrap();
            assert!((shown - given).abs() < 1e-12, "{text}: {shown}");
        }
        for text in ["", "x", "-0.1", "1.1", "NaN", "inf", "1 %"] {
            assert_eq!(text.parse::<Ratio>(), Err(RatioInvalid), "{text}");
        }
    }

    #[test]
    fn it_takes_about_its_share() {
        let taken = |text: &str| {
            let ratio: Ratio = text.parse().unwrap();
            (0..10_000).filter(|_| ratio.takes()).count()
        };
        assert_eq!(taken("0"), 0);
        assert_eq!(taken("1"), 10_000);
        // Fifteen standard deviations to each side.
        let half = taken("0.5");
        assert!((4_250..=5_750).contains(&half), "{half}");
    }
}
