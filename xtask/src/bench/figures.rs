//! The figures of all runs: medians, and ratios taken within a run.

use serde::Serialize;

/// What one measurement of one run has shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) subject: Subject,
    /// What an answer had waited for.
    pub(super) durability: String,
    /// `None` when it had none: no rate held its bound.
    pub(super) per_s: Option<f64>,
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subject {
    /// Its stable name in JSON.
    pub(super) name: &'static str,
    /// What it is, for a person.
    pub(super) text: &'static str,
    pub(super) unit: &'static str,
    /// The name of what it is compared to.
    pub(super) baseline: Option<&'static str>,
}

/// The samples of each subject, one per run.
#[derive(Debug, Default)]
pub(super) struct Figures {
    measurements: Vec<Measurement>,
}

/// The samples of one subject in the order of the runs.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) subject: Subject,
    pub(super) durability: String,
    samples: Vec<Sample>,
}

impl Figures {
    pub(super) fn record(&mut self, sample: Sample) {
        let subject = sample.subject;
        let mut known = self.measurements.iter_mut();
        match known.find(|known| known.subject == subject) {
            Some(known) => known.samples.push(sample),
            None => self.measurements.push(Measurement {
                subject,
                durability: sample.durability.clone(),
                samples: vec![sample],
            }),
        }
    }

    pub(super) fn measurements(&self) -> &[Measurement] {
        &self.measurements
    }

    fn named(&self, name: &str) -> Option<&Measurement> {
        let mut all = self.measurements.iter();
        all.find(|measurement| measurement.subject.name == name)
    }

    /// How many times its baseline a measurement is: the median of each run's own ratio.
    pub(super) fn ratio(&self, measurement: &Measurement) -> Option<f64> {
        let baseline = self.named(measurement.subject.baseline?)?;
        let pairs = measurement.samples.iter().zip(&baseline.samples);
        let ratios = pairs.filter_map(|(sample, base)| Some(sample.per_s? / base.per_s?));
        median(ratios.collect())
    }

    /// What goes into the JSON. The names are stable.
    pub(super) fn report(&self, quick: bool, runs: u32, load_average: Option<f64>) -> Report {
        let rows = self.measurements.iter().map(|measurement| Row {
            name: measurement.subject.name,
            text: measurement.subject.text,
            unit: measurement.subject.unit,
            durability: measurement.durability.clone(),
            per_s: measurement.median(|sample| sample.per_s),
            per_s_by_run: measurement.samples.iter().map(|it| it.per_s).collect(),
            p50_us: measurement.median(|sample| sample.p50_us),
            p99_us: measurement.median(|sample| sample.p99_us),
            baseline: measurement.subject.baseline,
            ratio_to_baseline: self.ratio(measurement),
        });
        Report {
            quick,
            runs_count: runs,
            load_average_before: load_average,
            cpus_count: std::thread::available_parallelism().map_or(0, usize::from),
            measurements: rows.collect(),
        }
    }
}

impl Measurement {
    pub(super) fn median(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(self.samples.iter().filter_map(of).collect())
    }
}

#[derive(Serialize)]
pub(super) struct Report {
    quick: bool,
    runs_count: u32,
    cpus_count: usize,
    /// Of the minute before: who else was at work here.
    load_average_before: Option<f64>,
    measurements: Vec<Row>,
}

impl Report {
    /// A line when the machine was not ours alone.
    pub(super) fn warning(&self) -> String {
        let cpus = u32::try_from(self.cpus_count).unwrap_or(u32::MAX);
        match self.load_average_before {
            Some(load) if load > f64::from(cpus) / 2.0 => format!(
                "\nTHE MACHINE WAS BUSY before this began (load average {load} on {cpus} CPUs): \
                 the ratios say more than the figures."
            ),
            _ => String::new(),
        }
    }
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    text: &'static str,
    unit: &'static str,
    durability: String,
    per_s: Option<f64>,
    per_s_by_run: Vec<Option<f64>>,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    baseline: Option<&'static str>,
    ratio_to_baseline: Option<f64>,
}

/// The middle one, or between the two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(values[middle - 1], upper))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const SLOW: Subject = Subject {
        name: "slow",
        text: "a slow one",
        unit: "transfers/s",
        baseline: None,
    };
    pub(in super::super) const FAST: Subject = Subject {
        name: "fast",
        text: "a fast one",
        unit: "transfers/s",
        baseline: Some("slow"),
    };

    pub(in super::super) fn sample(subject: Subject, per_s: Option<f64>) -> Sample {
        Sample {
            subject,
            durability: "disk".to_owned(),
            per_s,
            p50_us: per_s.map(|per_s| 1e6 / per_s),
            p99_us: None,
        }
    }

    #[track_caller]
    fn assert_is(value: Option<f64>, expected: f64) {
        assert!((value.unwrap() - expected).abs() < 1e-9, "{value:?}");
    }

    #[test]
    fn medians() {
        assert_eq!(median(Vec::new()), None);
        assert_is(median(vec![3.0]), 3.0);
        assert_is(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_is(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn ratios_are_taken_within_a_run() {
        let mut figures = Figures::default();
        // The machine is ten times slower in the second run: no ratio changes.
        for (slow, fast) in [(100.0, 300.0), (10.0, 30.0), (200.0, 800.0)] {
            figures.record(sample(FAST, Some(fast)));
            figures.record(sample(SLOW, Some(slow)));
        }
        let [fast, slow] = figures.measurements() else {
            panic!("{figures:?}");
        };
        assert_is(fast.median(|it| it.per_s), 300.0);
        assert_is(figures.ratio(fast), 3.0);
        assert_eq!(figures.ratio(slow), None);
    }

    #[test]
    fn a_busy_machine_is_told() {
        let report = |load| Figures::default().report(false, 1, load);
        assert!(report(Some(1e6)).warning().contains("BUSY"));
        assert_eq!(report(Some(0.01)).warning(), "");
        assert_eq!(report(None).warning(), "");
    }

    #[test]
    fn a_run_in_which_nothing_held_counts_in_no_ratio() {
        let mut figures = Figures::default();
        for (slow, fast) in [(None, Some(5.0)), (Some(2.0), None), (Some(2.0), Some(8.0))] {
            figures.record(sample(FAST, fast));
            figures.record(sample(SLOW, slow));
        }
        let report = serde_json::to_value(figures.report(true, 3, None)).unwrap();
        let fast = &report["measurements"][0];
        assert_eq!(fast["ratio_to_baseline"], 4.0);
        assert_eq!(fast["per_s"], 6.5);
        assert_eq!(fast["per_s_by_run"], serde_json::json!([5.0, null, 8.0]));
        assert_eq!(
            (&report["runs_count"], &report["quick"]),
            (&3.into(), &true.into())
        );
    }
}
