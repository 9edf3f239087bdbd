//! Progress while a load runs: a bar in a terminal, plain lines elsewhere, once a second.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use crate::figures::millis;
use crate::pacer::InFlight;
use crate::recorder::Recorder;

/// A progress display.
pub(crate) struct Progress {
    bar: ProgressBar,
    name: &'static str,
    is_terminal: bool,
}

/// What is told once a second.
struct Glance {
    requests_count: u64,
    failures_count: u64,
    in_flight: usize,
    last_second: String,
}

impl Progress {
    /// A display of a load of about `total` requests.
    pub(crate) fn new(name: &'static str, total: u64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let template = "{prefix:.bold} {bar:32.green/dim} {percent:>3}% {msg}\n{elapsed_precise} \
                        of which {eta_precise} are left, {human_pos} of {human_len} requests";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
            .with_style(style)
            .with_prefix(name);
        Self {
            bar,
            name,
            is_terminal,
        }
    }

    /// Tells once a second how the recorder stands, until aborted.
    pub(crate) fn watch(
        &self,
        recorder: Rc<RefCell<Recorder>>,
        in_flight: Rc<InFlight>,
    ) -> JoinHandle<()> {
        let (bar, name, is_terminal) = (self.bar.clone(), self.name, self.is_terminal);
        let began = Instant::now();
        tokio::task::spawn_local(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            ticks.tick().await;
            let mut before = 0;
            loop {
                ticks.tick().await;
                let glance = glance(&recorder.borrow(), in_flight.count());
                let rate = glance.requests_count - before;
                before = glance.requests_count;
                let message = glance.message(rate);
                if is_terminal {
                    bar.set_position(glance.requests_count);
                    bar.set_message(message);
                } else {
                    let seconds = began.elapsed().as_secs();
                    eprintln!("{name} {seconds:>4} s  {message}");
                }
            }
        })
    }

    /// Takes the display away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Glance {
    fn message(&self, rate: u64) -> String {
        format!(
            "{rate}/s, {}, {} failed, {} in flight",
            self.last_second, self.failures_count, self.in_flight
        )
    }
}

fn glance(recorder: &Recorder, in_flight: usize) -> Glance {
    // The newest second is not over: the one before tells more.
    let seconds = &recorder.seconds;
    let second = seconds.len().checked_sub(2).map(|index| &seconds[index]);
    let latency = &second.unwrap_or(&recorder.all).latency_ns;
    Glance {
        requests_count: recorder.all.requests_count,
        failures_count: recorder.all.failures_count,
        in_flight,
        last_second: format!(
            "p50 {:.2} ms, p99 {:.2} ms",
            millis(latency.value_at_quantile(0.5)),
            millis(latency.value_at_quantile(0.99))
        ),
    }
}
