//! Amounts as decimal text, exactly: no floating point touches money.

/// The minor units that a JSON number's text stands for; `None` where it is negative, has more
/// decimals than the currency, or is too large.
#[must_use]
pub fn minor_units(text: &str, decimals: u32) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let lacks_digits = whole.is_empty() || mantissa.contains('.') && fraction.is_empty();
    if lacks_digits || !is_number(whole) || !is_number(fraction) || text.len() > 40 {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let mut number: u128 = digits.parse().ok()?;
    let scale = i64::from(exponent) + i64::from(decimals) - i64::try_from(fraction.len()).ok()?;
    for _ in 0..scale.unsigned_abs().min(80) {
        if scale > 0 {
            number = number.checked_mul(10)?;
        } else if number.is_multiple_of(10) {
            number /= 10;
        } else {
            return None;
        }
    }
    u64::try_from(number).ok()
}

/// Minor units as a JSON number.
#[must_use]
pub fn decimal_text(minor_units: u128, decimals: u32) -> String {
    let unit = 10_u128.pow(decimals.min(30));
    if decimals == 0 {
        return minor_units.to_string();
    }
    let width = decimals as usize;
    format!("{}.{:0width$}", minor_units / unit, minor_units % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_exactly_or_not_at_all() {
        for (text, expected) in [
            ("19.90", Some(1_990)),
            ("19.9", Some(1_990)),
            ("19.900", Some(1_990)),
            ("0.01", Some(1)),
            ("90071992547409.91", Some(9_007_199_254_740_991)),
            ("1.99e1", Some(1_990)),
            ("1E7", Some(1_000_000_000)),
            ("1990e-2", Some(1_990)),
            ("0", Some(0)),
            ("19.905", None),
            ("1e-3", None),
            ("-1", None),
            ("1e400", None),
            ("", None),
            (".5", None),
            ("1.", None),
            ("1e", None),
            ("0x1", None),
            ("999999999999999999999", None),
        ] {
            assert_eq!(minor_units(text, 2), expected, "{text}");
        }
        assert_eq!(minor_units("19", 0), Some(19));
        assert_eq!(minor_units("1.234", 3), Some(1_234));
    }

    #[test]
    fn numbers_print_with_all_their_decimals() {
        assert_eq!(decimal_text(1_990, 2), "19.90");
        assert_eq!(decimal_text(5, 2), "0.05");
        assert_eq!(decimal_text(19, 0), "19");
        assert_eq!(decimal_text(1_234, 3), "1.234");
        assert_eq!(
            decimal_text(u128::from(u64::MAX) * 1_000, 2),
            "184467440737095516150.00"
        );
    }
}
