//! Exact decimal numbers: amounts, fees and their sums. No floating point touches them.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// How many digits there are after the point.
const DIGITS: u32 = 8;
const ONE: i128 = 10_i128.pow(DIGITS);
/// Amounts and fees have half of them, so that their product is exact.
const FACTOR_UNIT: i128 = 10_i128.pow(DIGITS / 2);
/// Whole digits of what is read: sums of millions of such numbers still fit.
const WHOLE_DIGITS_MAX: usize = 18;

/// A decimal number with 8 digits after the point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(i128);

/// Why a text is no such number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Something else than digits.
    #[error("it is no decimal number")]
    Malformed,
    /// More digits than are kept.
    #[error("it has more than {DIGITS} digits after the point")]
    TooFine,
    /// Larger than any sum of money.
    #[error("it has more than {WHOLE_DIGITS_MAX} digits before the point")]
    TooLarge,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many hundredths, such as cents.
    #[must_use]
    pub const fn hundredths(count: i64) -> Self {
        Self(count as i128 * (ONE / 100))
    }

    /// Rounded to hundredths, halves up.
    #[must_use]
    pub const fn rounded(self) -> Self {
        Self((self.0 + ONE / 200).div_euclid(ONE / 100) * (ONE / 100))
    }

    /// So many hundredths of it, exactly where it has at most 6 digits after the point.
    #[must_use]
    pub const fn percent(self, hundredths: u32) -> Self {
        Self(self.0 * hundredths as i128 / 100)
    }

    /// Whether amounts and fees may be so fine: 4 digits after the point.
    #[must_use]
    pub const fn is_factor(self) -> bool {
        self.0 % FACTOR_UNIT == 0
    }

    /// The product of two factors, exactly.
    ///
    /// # Panics
    ///
    /// When one of them has more than 4 digits after the point, or the product more than 30 whole
    /// digits.
    #[must_use]
    pub const fn times(self, other: Self) -> Self {
        assert!(
            self.is_factor() && other.is_factor(),
            "a factor has at most 4 digits after the point"
        );
        match (self.0 / FACTOR_UNIT).checked_mul(other.0 / FACTOR_UNIT) {
            Some(product) => Self(product),
            None => panic!("a product is larger than any sum of money"),
        }
    }
}

impl Add for Decimal {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Decimal {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Decimal {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

/// As JSON writes a number: `19.9`, `20`, `-0.05`.
impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.abs() / ONE, self.0.abs() % ONE);
        if rest == 0 {
            return write!(formatter, "{sign}{whole}");
        }
        let digits = format!("{rest:08}");
        write!(formatter, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads what JSON allows as a number, an exponent included.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()),
            None => (text, Some(0)),
        };
        let exponent = exponent.ok_or(DecimalError::Malformed)?;
        let (sign, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| {
            !part.is_empty() && part.len() <= 64 && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(DecimalError::Malformed);
        }
        let fraction = fraction.trim_end_matches('0');
        let places = i32::try_from(fraction.len()).map_err(|_| DecimalError::Malformed)?;
        let digits = format!("{whole}{fraction}");
        magnitude(digits.trim_start_matches('0'), places.checked_sub(exponent))
            .map(|magnitude| Self(sign * magnitude))
    }
}

/// The digits with so many places after the point, in units of 10⁻⁸.
fn magnitude(digits: &str, places: Option<i32>) -> Result<i128, DecimalError> {
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let dropped = i32::try_from(digits.len() - significant.len());
    let dropped = dropped.map_err(|_| DecimalError::TooLarge)?;
    let places = places.and_then(|places| places.checked_sub(dropped));
    let shift = places
        .and_then(|places| DIGITS.cast_signed().checked_sub(places))
        .ok_or(DecimalError::TooLarge)?;
    let shift = usize::try_from(shift).map_err(|_| DecimalError::TooFine)?;
    let whole_max = WHOLE_DIGITS_MAX + DIGITS as usize;
    if significant.len().saturating_add(shift) > whole_max {
        return Err(DecimalError::TooLarge);
    }
    let value: i128 = significant.parse().map_err(|_| DecimalError::Malformed)?;
    let shift = u32::try_from(shift).map_err(|_| DecimalError::TooLarge)?;
    Ok(value * 10_i128.pow(shift))
}

/// As a number, digit for digit.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        raw.get()
            .parse()
            .map_err(|error| D::Error::custom(format_args!("{}: {error}", raw.get())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let decimal: Decimal = text.parse().unwrap();
        assert_eq!(decimal.to_string(), expected, "{text}");
        assert_eq!(serde_json::to_string(&decimal).unwrap(), expected, "{text}");
        let read: Decimal = serde_json::from_str(text).unwrap();
        assert_eq!(read, decimal, "{text}");
    }

    #[test]
    fn numbers_are_read_and_written_digit_for_digit() {
        for (text, expected) in [
            ("19.90", "19.9"),
            ("19.9", "19.9"),
            ("20", "20"),
            ("0", "0"),
            ("-0.05", "-0.05"),
            ("0.00000001", "0.00000001"),
            ("415542345.98", "415542345.98"),
            ("1.99e1", "19.9"),
            ("1E3", "1000"),
            ("1990e-2", "19.9"),
            ("999999999999999999.99999999", "999999999999999999.99999999"),
            ("0e999999999", "0"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn what_is_no_such_number_is_refused() {
        for (text, expected) in [
            ("", DecimalError::Malformed),
            ("1.", DecimalError::Malformed),
            (".5", DecimalError::Malformed),
            ("+1", DecimalError::Malformed),
            ("1,5", DecimalError::Malformed),
            ("NaN", DecimalError::Malformed),
            ("1e", DecimalError::Malformed),
            ("1e99999999999", DecimalError::Malformed),
            ("0.000000001", DecimalError::TooFine),
            ("1e-9", DecimalError::TooFine),
            ("1000000000000000000", DecimalError::TooLarge),
            ("1e18", DecimalError::TooLarge),
            ("1e2147483647", DecimalError::TooLarge),
            ("1e-2147483648", DecimalError::TooLarge),
        ] {
            assert_eq!(text.parse::<Decimal>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn products_and_sums_are_exact() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        let fee = decimal("19.90")
            .times(decimal("16752"))
            .times(decimal("0.05"));
        assert_eq!(fee.to_string(), "16668.24");
        assert_eq!(decimal("0.0001").times(decimal("0.0001")), decimal("1e-8"));
        assert_eq!(decimal("0.1") + decimal("0.2"), decimal("0.3"));
        assert_eq!(Decimal::hundredths(1_990), decimal("19.9"));
        for (text, expected) in [("1.005", "1.01"), ("1.0049", "1"), ("-0.01", "-0.01")] {
            assert_eq!(decimal(text).rounded(), decimal(expected), "{text}");
        }
        assert_eq!(decimal("19.999999").percent(35), decimal("6.99999965"));
    }
}
