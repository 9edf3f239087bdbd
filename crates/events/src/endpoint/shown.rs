//! What an endpoint shows: to the log, to the metrics, and to those who ask.

use std::time::Duration;

use ledger::Timestamp;

use super::parts::{Endpoint, Run};
use crate::port::{Delivery, DeliveryState, EndpointState, EndpointStatus};
use crate::queue::{DeliveryRecord, Disabled, LastTry};

/// What the log says.
impl Endpoint {
    pub(super) fn log_failure(&mut self, webhook_id: &str, last: &LastTry, pause: Duration) {
        if self.is_failure_logged {
            return;
        }
        if let Some(held_back) = self.failing.pass() {
            self.is_failure_logged = true;
            let (name, what) = (&self.config.name, what_failed(last));
            tracing::warn!(
                endpoint = %name, webhook_id, status = last.status, answer = last.body, held_back,
                "webhook endpoint {name} does not take an event: {what}. It is sent again in {} s, and then less and less \
                 often for three days. Look at the receiver at {}",
                pause.as_secs(), self.config.url
            );
        }
    }

    pub(super) fn log_recovery(&mut self) {
        if std::mem::take(&mut self.is_failure_logged) {
            let name = &self.config.name;
            tracing::info!(endpoint = %name, "webhook endpoint {name} takes events again");
        }
    }

    pub(super) fn log_dead_letter(&self, record: &DeliveryRecord) {
        if let Some(held_back) = self.giving_up.pass() {
            let name = &self.config.name;
            let webhook_id = record.placed.webhook_id();
            let last = record.tries.last.as_ref();
            let what = last.map_or_else(String::new, what_failed);
            tracing::error!(
                endpoint = %name, webhook_id, tries_count = record.tries.count, held_back,
                "DEAD LETTER: webhook endpoint {name} did not take event {webhook_id} ({}) in three days: {what}. Later \
                 events of its account go on without it. Mend the receiver, then POST /v1/webhooks/{name}/retry",
                record.placed.event_type
            );
        }
    }
}

/// A failure as a sentence has it.
fn what_failed(last: &LastTry) -> String {
    match last.status {
        Some(status) => format!("it answered {status}"),
        None => last.failure.clone(),
    }
}

/// What is shown.
impl Endpoint {
    /// The oldest event that is not delivered, and its age in nanoseconds.
    fn lag(&self) -> (Option<Timestamp>, u64) {
        let Run::Going(queue) = &self.run else {
            return (None, 0);
        };
        let oldest = queue.oldest().map(|placed| placed.timestamp);
        let now = self.around.clock.now().as_nanos();
        let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest.as_nanos()));
        (oldest, age)
    }

    pub(super) fn measure(&self) {
        let meters = &self.around.meters;
        let (waiting_count, dead_count) = match &self.run {
            Run::Going(queue) => (queue.waiting_count(), queue.dead_letters().len()),
            Run::Opening { .. } | Run::Standby { .. } | Run::Off | Run::Stopped(_) => (0, 0),
        };
        let (_, lag_ns) = self.lag();
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        {
            meters.waiting.set(waiting_count as f64);
            meters.dead_letters.set(dead_count as f64);
        }
        meters.lag.set(Duration::from_nanos(lag_ns).as_secs_f64());
        let is_active = match self.state().0 {
            EndpointState::Active | EndpointState::Failing | EndpointState::Standby => 1.0,
            EndpointState::Disabled | EndpointState::Stopped => 0.0,
        };
        meters.active.set(is_active);
    }

    fn state(&self) -> (EndpointState, Option<String>) {
        match &self.run {
            Run::Opening { .. } => (EndpointState::Active, self.reading.trouble()),
            Run::Off => (
                EndpointState::Disabled,
                Some("disabled = true in the configuration".to_owned()),
            ),
            Run::Stopped(why) => (EndpointState::Stopped, Some(why.clone())),
            Run::Standby { elsewhere, .. } => {
                let why = format!("it is sent to by another node: {}", elsewhere.by);
                (EndpointState::Standby, Some(why))
            }
            Run::Going(queue) => match queue.disabled() {
                Some(why) => (
                    EndpointState::Disabled,
                    Some(disabled_because(why).to_owned()),
                ),
                None => {
                    let failure = self.save.failure.as_ref();
                    let unsaved =
                        failure.map(|error| format!("its state cannot be written: {error}"));
                    let state = match queue.failing_since() {
                        None if unsaved.is_none() => EndpointState::Active,
                        None | Some(_) => EndpointState::Failing,
                    };
                    (state, unsaved.or_else(|| self.reading.trouble()))
                }
            },
        }
    }

    pub(super) fn status(&self) -> EndpointStatus {
        let (state, reason) = self.state();
        let (oldest_waiting_at, lag_ns) = self.lag();
        let mut status = EndpointStatus {
            name: self.config.name.to_string(),
            url: self.config.url.to_string(),
            state,
            reason,
            position: None,
            waiting_count: 0,
            requests_count: 0,
            dead_letters_count: 0,
            delivered_count: self.delivered_count,
            oldest_waiting_at,
            lag_ns,
            last_try: self.last_try.clone(),
            next_try_at: None,
        };
        if let Run::Standby { elsewhere, .. } = &self.run
            && let Some(saved) = &elsewhere.saved
        {
            let oldest = saved
                .waiting
                .first()
                .map(|waiting| waiting.record.placed.after);
            status.position = Some(oldest.unwrap_or(saved.read_to));
            status.waiting_count = saved.waiting.len();
            status.dead_letters_count = saved.dead_letters.len();
        }
        if let Run::Going(queue) = &self.run {
            let oldest = queue.oldest().map(|placed| placed.after);
            status.position = Some(oldest.unwrap_or(queue.read_to()));
            status.waiting_count = queue.waiting_count();
            status.requests_count = queue.requests_count();
            status.dead_letters_count = queue.dead_letters().len();
            status.next_try_at = queue.next_due().map(|due| self.at(due));
        }
        status
    }

    pub(super) fn deliveries(&self, state: Option<DeliveryState>, limit: usize) -> Vec<Delivery> {
        let mut all = Vec::new();
        let without_time = |record: &DeliveryRecord, state| Delivery {
            record: record.clone(),
            state,
            next_try_at: None,
        };
        match &self.run {
            Run::Going(queue) => {
                all.extend(queue.waiting().map(|(record, due)| Delivery {
                    record,
                    state: DeliveryState::Waiting,
                    next_try_at: due.map(|due| self.at(due)),
                }));
                let dead = queue.dead_letters().iter();
                all.extend(dead.map(|record| without_time(record, DeliveryState::Dead)));
            }
            Run::Standby { elsewhere, .. } => {
                let saved = elsewhere.saved.iter();
                for saved in saved {
                    let waiting = saved.waiting.iter().map(|waiting| &waiting.record);
                    all.extend(waiting.map(|record| without_time(record, DeliveryState::Waiting)));
                    let dead = saved.dead_letters.iter();
                    all.extend(dead.map(|record| without_time(record, DeliveryState::Dead)));
                }
            }
            Run::Opening { .. } | Run::Off | Run::Stopped(_) => return Vec::new(),
        }
        let delivered = self.delivered.iter();
        all.extend(delivered.map(|record| without_time(record, DeliveryState::Delivered)));
        all.retain(|delivery| state.is_none_or(|asked| asked == delivery.state));
        // Few events have one time. One that was sent again after a replay can be there twice.
        all.sort_by_key(|delivery| std::cmp::Reverse(delivery.record.placed.timestamp));
        all.truncate(limit);
        all
    }
}

const fn disabled_because(why: Disabled) -> &'static str {
    match why {
        Disabled::ByOperator => "an operator has disabled it",
        Disabled::Gone => "its receiver answered 410 Gone",
        Disabled::TooManyDeadLetters => {
            "it has as many dead letters as are kept: mend the receiver, retry them, then enable it"
        }
    }
}
