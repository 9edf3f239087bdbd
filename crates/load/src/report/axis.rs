//! Axes: where a value lies, and which values are written beside.

/// How values are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Evenly, from 0.
    Linear,
    /// By their order of magnitude.
    Log,
    /// Percents below 100, by what is missing to it.
    Nines,
}

/// An axis over a range of values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
}

/// The least value of a logarithmic axis.
const LOG_MIN: f64 = 1e-3;

impl Axis {
    /// An axis that shows all the values.
    pub(crate) fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            least = least.min(value);
            most = most.max(value);
        }
        if least > most {
            (least, most) = (0.0, 1.0);
        }
        let (from, to) = match scale {
            Scale::Linear => (0.0, most.max(1e-9)),
            Scale::Log => {
                let from = nice_down(least.max(LOG_MIN));
                (from, nice_up(most.max(from * 10.0)))
            }
            Scale::Nines => (0.0, most.max(90.0)),
        };
        Self { scale, from, to }
    }

    /// An axis that goes on to the next of its ticks.
    pub(crate) fn rounded(mut self) -> Self {
        if self.scale == Scale::Linear {
            let step = nice_up(self.to / 5.0);
            self.to = (self.to * 1.02 / step).ceil() * step;
        }
        self
    }

    /// Where a value lies: 0 at the start of the axis, 1 at its end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let spread = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(LOG_MIN).log10(),
            Scale::Nines => -(1.0 - value.min(99.999_99) / 100.0).log10(),
        };
        let (from, to) = (spread(self.from), spread(self.to));
        ((spread(value) - from) / (to - from)).clamp(0.0, 1.0)
    }

    /// The values to write beside the axis.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = nice_up(self.to / 9.0);
                let ticks = (0..).map(|index| f64::from(index) * step);
                ticks.take_while(|tick| *tick <= self.to * 1.001).collect()
            }
            Scale::Log => self.log_ticks(),
            Scale::Nines => [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999]
                .into_iter()
                .filter(|tick| *tick <= self.to)
                .collect(),
        }
    }

    /// Powers of ten, with their doubles and halves where there is room.
    fn log_ticks(&self) -> Vec<f64> {
        let decades = (self.to / self.from).log10();
        let parts: &[f64] = if decades <= 3.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let mut ticks = Vec::new();
        for power in -3..=9 {
            for part in parts {
                let tick = part * 10_f64.powi(power);
                if tick >= self.from * 0.999 && tick <= self.to * 1.001 {
                    ticks.push(tick);
                }
            }
        }
        ticks
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn nice_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let parts = [1.0, 2.0, 5.0, 10.0];
    let part = parts
        .into_iter()
        .find(|part| power * part >= value * 0.999_9);
    power * part.unwrap_or(10.0)
}

fn nice_down(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let parts = [5.0, 2.0, 1.0];
    let part = parts
        .into_iter()
        .find(|part| power * part <= value * 1.000_1);
    power * part.unwrap_or(1.0)
}

/// A number as short as it can be read.
pub(crate) fn short(value: f64) -> String {
    if value >= 10_000.0 {
        return format!("{}k", trimmed(value / 1_000.0, 1));
    }
    let decimals = match value {
        value if value >= 100.0 => 0,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    trimmed(value, decimals)
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A count with its thousands apart.
pub(crate) fn grouped(count: u64) -> String {
    grouped_digits(&count.to_string())
}

/// Digits with their thousands apart.
pub(crate) fn grouped_digits(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let linear = Axis::over(Scale::Linear, [3.0, 340.0].into_iter());
        assert!((linear.place(170.0) - 0.5).abs() < 1e-9);
        let rounded = linear.rounded();
        assert!((rounded.place(200.0) - 0.5).abs() < 1e-9);
        assert_eq!(rounded.ticks().last(), Some(&400.0));
        let log = Axis::over(Scale::Log, [0.3, 70.0].into_iter());
        assert_eq!(log.ticks().first(), Some(&0.2));
        assert_eq!(log.ticks().last(), Some(&100.0));
        let nines = Axis::over(Scale::Nines, [0.0, 99.9].into_iter());
        assert!((nines.place(99.0) - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(nines.ticks(), [0.0, 50.0, 90.0, 99.0, 99.9]);
        // No values, or only one, are no reason to divide by nothing.
        assert!(
            Axis::over(Scale::Log, std::iter::empty())
                .place(5.0)
                .is_finite()
        );
        assert!(Axis::over(Scale::Linear, std::iter::once(0.0)).place(0.0) < 0.1);
    }

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (1.0, "1"),
            (2.5, "2.5"),
            (340.0, "340"),
            (10_000.0, "10k"),
            (12_500.0, "12.5k"),
        ] {
            assert_eq!(short(value), expected);
        }
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(61_503), "61,503");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
