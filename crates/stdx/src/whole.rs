//! Durations as whole numbers.

use std::time::Duration;

/// Its whole milliseconds.
///
/// # Panics
///
/// If it is longer than 584 million years.
#[must_use]
pub fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("it is shorter than 584 million years")
}

/// Its whole microseconds.
///
/// # Panics
///
/// If it is longer than 584,000 years.
#[must_use]
pub fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("it is shorter than 584,000 years")
}

/// Its whole nanoseconds.
///
/// # Panics
///
/// If it is longer than 584 years.
#[must_use]
pub fn whole_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("it is shorter than 584 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_unit_are_dropped() {
        let duration = Duration::new(2, 345_678_901);
        assert_eq!(whole_millis(duration), 2_345);
        assert_eq!(whole_micros(duration), 2_345_678);
        assert_eq!(whole_nanos(duration), 2_345_678_901);
    }

    #[test]
    #[should_panic(expected = "shorter than 584 years")]
    fn what_has_no_room_is_no_other_duration() {
        let _ = whole_nanos(Duration::MAX);
    }
}
