//! What cannot be false unless the program is wrong.

/// Panics if the condition is false, in every build. The text says why it always holds.
///
/// A panic in a thread that holds a [`StopOnPanic`](crate::StopOnPanic) stops the process.
///
/// ```
/// let entries = [1, 2];
/// stdx::invariant!(entries.len() == 2, "an entry for each side");
/// ```
#[macro_export]
macro_rules! invariant {
    ($condition:expr, $why:expr $(,)?) => {
        assert!($condition, concat!("invariant broken: ", $why))
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_holds_passes() {
        invariant!(1 + 1 == 2, "arithmetic");
    }

    #[test]
    #[should_panic(expected = "invariant broken: arithmetic")]
    fn what_does_not_hold_panics_with_the_reason() {
        let sum = std::hint::black_box(1) + 1;
        invariant!(sum == 3, "arithmetic");
    }
}
