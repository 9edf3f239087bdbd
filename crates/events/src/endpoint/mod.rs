//! An endpoint at work: reads the feed, sends what is due, and keeps what must survive.
//!
//! One task does it all; requests are tasks of their own, and only they wait for the network. The order of things is
//! what a kill at any moment asks for:
//!
//! | before | comes |
//! |---|---|
//! | a new endpoint sends anything | where it begins is durable |
//! | an event leaves the durable state | its receiver has answered with success |
//! | the account of a dead letter goes on | the dead letter is durable |
//! | anything is sent | this node has the endpoint's claim |
//! | an operator is answered | what was done is durable |
//!
//! While the state cannot be written, nothing is sent: otherwise a kill would have ever more sent again.

mod claim;
mod feed;
mod held;
mod opening;
mod parts;
mod reading;
mod saving;
mod shown;
mod steering;
mod surroundings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use stdx::ErrorChain;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::queue::{Jitter, Verdict};
use feed::Page;
use parts::{Ended, Run, SAVE_LATER, SAVE_SOON};
pub(crate) use parts::{Endpoint, Order};
pub(crate) use surroundings::Surroundings;

/// How many deliveries are remembered, in memory only.
const DELIVERED_MAX: usize = 1_000;
/// How often the metrics are set where nothing happens.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long requests have at the stop.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// What the task woke up for.
enum Happened {
    Stop,
    Order(Order),
    Ended(Option<Ended>),
    Page(Page),
    Time,
}

impl Endpoint {
    /// Works until it is told to stop.
    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            self.open_if_due().await;
            self.renew_if_due().await;
            self.save_if_due().await;
            self.send_what_is_due();
            self.read_on();
            self.measure();
            let wake = self.wake();
            let happened = {
                let (requests, reading) = (&mut self.requests, &mut self.reading);
                tokio::select! {
                    biased;
                    // An error means that nobody can tell any more: the process is ending.
                    _ = stop.wait_for(|stopping| *stopping) => Happened::Stop,
                    order = orders.recv() => order.map_or(Happened::Stop, Happened::Order),
                    Some(ended) = requests.join_next() => Happened::Ended(ended.ok()),
                    page = reading.page() => Happened::Page(page),
                    () = tokio::time::sleep_until(wake) => Happened::Time,
                }
            };
            match happened {
                Happened::Stop => break,
                Happened::Order(order) => self.carry_out(order).await,
                Happened::Ended(ended) => self.end(ended).await,
                Happened::Page(page) => {
                    self.take(page);
                    // A ledger that has all at hand answers at once: others have their turn.
                    tokio::task::yield_now().await;
                }
                Happened::Time => {}
            }
        }
        self.finish().await;
    }

    /// When something is to be done, whatever happens until then.
    fn wake(&self) -> Instant {
        let mut wake = Instant::now() + LOOK_INTERVAL;
        let mut at = |time: Option<Instant>| wake = time.map_or(wake, |time| time.min(wake));
        at(self.save.at);
        at(self.held.map(|held| held.renew_at));
        match &self.run {
            Run::Opening { at: opening } | Run::Standby { at: opening, .. } => at(Some(*opening)),
            Run::Going(queue) => {
                if self.save.failure.is_none() {
                    at(queue.next_due().map(|due| self.started + due));
                }
                if queue.wants_more() {
                    at(self.reading.due());
                }
            }
            Run::Off | Run::Stopped(_) => {}
        }
        wake
    }

    fn send_what_is_due(&mut self) {
        let claim_is_over = self.held.is_some_and(|held| held.until <= Instant::now());
        if claim_is_over || self.save.failure.is_some() {
            return;
        }
        let now = self.now();
        let Run::Going(queue) = &mut self.run else {
            return;
        };
        while let Some(request) = queue.next(now) {
            let receiver = Arc::clone(&self.around.receiver);
            let at = self.around.clock.now();
            self.requests.spawn(async move {
                let begun = Instant::now();
                let webhook_id = request.webhook_id.to_string();
                let result = receiver.send(webhook_id.clone(), request.body, at).await;
                Ended {
                    number: request.number,
                    webhook_id,
                    result,
                    elapsed: begun.elapsed(),
                }
            });
        }
    }

    /// A request has ended; `None` where its task panicked.
    async fn end(&mut self, ended: Option<Ended>) {
        let Some(ended) = ended else {
            // Which one it was is not known: the state is read again, and all that waits is due.
            tracing::error!(
                endpoint = %self.config.name,
                "a request of webhook endpoint {} ended in an error in the program, which is above: what waits is \
                 sent again",
                self.config.name
            );
            self.reopen().await;
            return;
        };
        let now = self.now();
        let Run::Going(queue) = &mut self.run else {
            return;
        };
        let Ended {
            number,
            webhook_id,
            result,
            elapsed,
        } = ended;
        let meters = &self.around.meters;
        meters.duration.record(elapsed);
        let jitter = Jitter::from_thousandths(rand::random_range(0..=1_000));
        let last = result.last.clone();
        let verdict = queue.answered(now, number, result, jitter);
        match &verdict {
            Verdict::Delivered(_) => meters.delivered.increment(1),
            Verdict::Again(_) | Verdict::Dead(_) | Verdict::Gone => meters.failed.increment(1),
            Verdict::Unknown => {}
        }
        match verdict {
            Verdict::Delivered(record) => {
                self.delivered_count += 1;
                if self.delivered.len() == DELIVERED_MAX {
                    self.delivered.pop_front();
                }
                self.delivered.push_back(*record);
                self.save_within(SAVE_SOON);
                self.log_recovery();
            }
            Verdict::Again(pause) => {
                // Were it lost, the delivery would only be tried for longer.
                self.save_within(SAVE_LATER);
                self.log_failure(&webhook_id, &last, pause);
            }
            Verdict::Dead(record) => {
                self.log_dead_letter(&record);
                self.save_now().await;
            }
            Verdict::Gone => {
                let name = &self.config.name;
                tracing::error!(
                    endpoint = %name, webhook_id,
                    "WEBHOOK ENDPOINT DISABLED: the receiver of {name} answered 410 Gone, so nothing more is sent to it; \
                     its events wait in the ledger. Remove it from the configuration, or \
                     POST /v1/webhooks/{name}/enable"
                );
                self.save_now().await;
            }
            Verdict::Unknown => {}
        }
        self.last_try = Some((webhook_id, last));
    }

    /// Finishes what is under way, as far as it does not take long, and keeps what was delivered.
    async fn finish(&mut self) {
        self.reading.forget();
        let until = Instant::now() + STOP_PATIENCE;
        while let Ok(Some(ended)) = tokio::time::timeout_at(until, self.requests.join_next()).await
        {
            if let Ok(ended) = ended {
                self.end(Some(ended)).await;
            }
        }
        self.requests.abort_all();
        if self.save.at.is_some() {
            self.save_now().await;
        }
        if self.held.is_some() {
            let released = self.around.store.release(self.config.name.as_str()).await;
            if let Err(error) = released {
                // It ends by itself.
                tracing::debug!(error = %ErrorChain(&error), "a claim was not given up");
            }
        }
    }
}
