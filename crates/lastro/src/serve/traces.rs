//! Sends the spans of traced requests to a collector, by OTLP over gRPC.
//!
//! A thread of its own takes them from the bounded queue of the crate `trace`, at most [`BATCH_SPANS`] at a time.
//! Requests never wait for it: while the collector is away or slow the queue fills, and what finds it full
//! is dropped and counted. At the stop it has [`FLUSH_TIMEOUT`] for what still waits.

mod collector;
mod otlp;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use stdx::BackOff;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use trace::{DropReason, Waiting};

use super::reload::Reloads;
pub(super) use collector::{Collector, TraceSettings};
use collector::{NotTaken, Sender};

/// How many spans go in one message.
const BATCH_SPANS: usize = 512;
/// How often the queue is looked at while little is in it.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long after a failure the same spans are sent again: at first, and at most.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// How long the stop waits for spans to be taken.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The thread that sends spans, while this is held.
pub(super) struct Exporting {
    /// When the thread has to end, once it is known.
    stop: watch::Sender<Option<Instant>>,
    thread: JoinHandle<()>,
    header: Option<collector::Header>,
}

impl Exporting {
    /// Turns traces on. The role of this process goes with its spans. The collector need not be there.
    pub(super) fn start(collector: &Collector, role: &'static str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of the traces")?;
        let (sender, header) = {
            let _guard = runtime.enter();
            collector.sender(role)?
        };
        let waiting = trace::start(collector.ratio).context("traces are on already")?;
        let (stop, stopping) = watch::channel(None);
        let thread = std::thread::Builder::new()
            .name("lastro-traces".to_owned())
            .spawn(move || run(&runtime, sender, &waiting, &stopping))
            .context("cannot start the thread of the traces")?;
        Ok(Self {
            stop,
            thread,
            header,
        })
    }

    /// Has the collector's header read again when its file changes.
    pub(super) fn watch(&self, reloads: &mut Reloads) {
        if let Some(header) = &self.header {
            header.watch(reloads);
        }
    }

    /// Sends what still waits, within [`FLUSH_TIMEOUT`].
    pub(super) fn stop(self) {
        self.stop.send_replace(Some(Instant::now() + FLUSH_TIMEOUT));
        if self.thread.join().is_err() {
            tracing::error!("the thread of the traces panicked");
        }
    }
}

/// The thread, from the first span to the last.
fn run(
    runtime: &Runtime,
    sender: Sender,
    waiting: &Waiting,
    stopping: &watch::Receiver<Option<Instant>>,
) {
    let mut exporter = Exporter {
        sender,
        waiting,
        stopping: stopping.clone(),
        in_hand: AtomicUsize::new(0),
    };
    let in_time = runtime.block_on(async {
        tokio::select! {
            biased;
            () = exporter.run() => true,
            () = out_of_time(stopping.clone()) => false,
        }
    });
    if !in_time {
        let left = exporter.in_hand.load(Ordering::Relaxed) + waiting.take(usize::MAX).len();
        trace::count_dropped(DropReason::Stopped, left);
        tracing::warn!(
            spans = left,
            "{left} spans of traces are lost: the collector at {} did not take them within {} s of the stop",
            exporter.sender.endpoint(),
            FLUSH_TIMEOUT.as_secs()
        );
    }
}

/// Ends when the time to stop is over.
async fn out_of_time(mut stopping: watch::Receiver<Option<Instant>>) {
    let until = match stopping.wait_for(Option::is_some).await {
        Ok(until) => *until,
        Err(_) => None,
    };
    // Nobody can tell any more: the process is ending.
    let until = until.unwrap_or_else(Instant::now);
    tokio::time::sleep_until(until.into()).await;
}

struct Exporter<'a> {
    sender: Sender,
    waiting: &'a Waiting,
    stopping: watch::Receiver<Option<Instant>>,
    /// Spans that were taken from the queue and that the collector has not taken.
    in_hand: AtomicUsize,
}

impl Exporter<'_> {
    /// Sends spans until the stop, and then until none waits.
    async fn run(&mut self) {
        loop {
            let spans = self.waiting.take(BATCH_SPANS);
            let is_full = spans.len() == BATCH_SPANS;
            if !spans.is_empty() {
                self.in_hand.store(spans.len(), Ordering::Relaxed);
                self.deliver(&otlp::request_of(self.sender.resource(), spans))
                    .await;
                self.in_hand.store(0, Ordering::Relaxed);
            } else if self.is_stopping() {
                return;
            }
            if !is_full {
                self.pause(LOOK_INTERVAL).await;
            }
        }
    }

    /// Sends the spans in hand until the collector takes or refuses them.
    async fn deliver(&mut self, request: &otlp::Request) {
        let mut back_off = BackOff::new(BACK_OFF_MIN, BACK_OFF_MAX);
        let spans = self.in_hand.load(Ordering::Relaxed);
        let mut is_reported = false;
        loop {
            match self.sender.send(request.clone()).await {
                Ok(refused) => {
                    trace::count_exported(spans.saturating_sub(refused));
                    trace::count_dropped(DropReason::Refused, refused.min(spans));
                    if is_reported {
                        let endpoint = self.sender.endpoint();
                        tracing::info!("the collector of traces at {endpoint} takes spans again");
                    }
                    return;
                }
                Err(NotTaken::Refused(why)) => {
                    trace::count_dropped(DropReason::Refused, spans);
                    self.sender.report_refusal(spans, &why);
                    return;
                }
                Err(NotTaken::Away(why)) => {
                    if !is_reported {
                        is_reported = true;
                        tracing::warn!(
                            error = why,
                            "the collector of traces at {} does not take spans: {why}. Requests are served as \
                             before; spans wait, and those that find no room are dropped. Check the collector and \
                             --otlp-endpoint",
                            self.sender.endpoint()
                        );
                    }
                }
            }
            self.pause(back_off.pause()).await;
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.borrow().is_some()
    }

    /// Waits, but not longer than [`BACK_OFF_MIN`] once the process stops.
    async fn pause(&mut self, time: Duration) {
        if self.is_stopping() {
            tokio::time::sleep(time.min(BACK_OFF_MIN)).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = self.stopping.changed() => {}
        }
    }
}
