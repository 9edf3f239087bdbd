//! Engines as everybody but the dispatcher sees them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{
    AcceptPayment, Answer, Batch, Command, Currency, Engine, Millis, Outcome, PaymentId,
    PaymentState, ProcessorSummary, Record, Unavailable,
};

use super::mailbox::Mailbox;

/// How long a request of another node's may be under way, where this one knows no processor: the
/// lease of a send by its default.
pub(super) const SEND_LEASE: Duration = Duration::from_secs(15);
/// How long a summary waits for settlements that are being committed.
const SUMMARY_WAIT: Duration = Duration::from_millis(20);

/// An engine whose payments are dispatched: the dispatcher hears of what was accepted, whichever caller
/// asked for it. New payments in a currency that the processors are not paid in are not accepted.
pub struct WithPayments {
    engine: Arc<dyn Engine>,
    mailbox: Mailbox,
    currency: Currency,
    /// The longest lease of a send.
    send_lease: Duration,
}

impl WithPayments {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        mailbox: Mailbox,
        currency: Currency,
        send_lease: Duration,
    ) -> Self {
        Self {
            engine,
            mailbox,
            currency,
            send_lease,
        }
    }

    fn prepare(&self, batches: &mut [Batch]) -> Vec<PaymentId> {
        let is_taken = |payment: &AcceptPayment| payment.currency == self.currency;
        prepare(batches, is_taken, self.send_lease)
    }

    fn hear(&self, outcomes: &[Vec<Outcome>]) {
        let records = outcomes
            .iter()
            .flatten()
            .filter(|outcome| !outcome.replayed);
        let mut is_accepted = false;
        for record in records.filter_map(|outcome| outcome.result.as_ref().ok()) {
            match record {
                Record::Payment(payment) => match payment.state {
                    PaymentState::Accepted if payment.attempt == 0 => is_accepted = true,
                    _ => {
                        // The driver has ended where nobody hears it.
                        let _ = self.mailbox.changed.send(payment.id);
                    }
                },
                Record::Account { .. } | Record::Transfer(_) | Record::Purge { .. } => {}
            }
        }
        if is_accepted {
            self.mailbox.accepted.notify_one();
        }
    }
}

impl Engine for WithPayments {
    fn submit(&self, mut batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        Box::pin(async move {
            let untaken = self.prepare(&mut batches);
            check_are_used(&*self.engine, &untaken, deadline).await?;
            let outcomes = self.engine.submit(batches, deadline).await;
            match &outcomes {
                Ok(outcomes) => self.hear(outcomes),
                // It may have been accepted all the same.
                Err(unavailable) if !unavailable.nothing_done() => {
                    self.mailbox.accepted.notify_one();
                }
                Err(_) => {}
            }
            outcomes
        })
    }

    fn preview(&self, mut batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        Box::pin(async move {
            let untaken = self.prepare(&mut batches);
            check_are_used(&*self.engine, &untaken, deadline).await?;
            self.engine.preview(batches, deadline).await
        })
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        Box::pin(async move {
            let wait_until = (Instant::now() + SUMMARY_WAIT).min(deadline);
            self.mailbox.settling.wait(wait_until).await;
            self.engine.payments_summary(from, to, deadline).await
        })
    }

    ledger::forward_reads!(engine but preview);
}

/// An engine without processors: it accepts no new payment.
pub struct WithoutPayments {
    engine: Arc<dyn Engine>,
}

impl WithoutPayments {
    /// The engine, without payments.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }
}

impl Engine for WithoutPayments {
    fn submit(&self, mut batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let untaken = prepare(&mut batches, |_| false, SEND_LEASE);
        if untaken.is_empty() {
            return self.engine.submit(batches, deadline);
        }
        Box::pin(async move {
            check_are_used(&*self.engine, &untaken, deadline).await?;
            self.engine.submit(batches, deadline).await
        })
    }

    fn preview(&self, mut batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let untaken = prepare(&mut batches, |_| false, SEND_LEASE);
        if untaken.is_empty() {
            return self.engine.preview(batches, deadline);
        }
        Box::pin(async move {
            check_are_used(&*self.engine, &untaken, deadline).await?;
            self.engine.preview(batches, deadline).await
        })
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.engine.payments_summary(from, to, deadline)
    }

    ledger::forward_reads!(engine but preview);
}

/// Notes the lease of sends. Returns the payments that would be accepted and are not taken: nobody would dispatch them.
fn prepare(
    batches: &mut [Batch],
    is_taken: impl Fn(&AcceptPayment) -> bool,
    send_lease: Duration,
) -> Vec<PaymentId> {
    let mut untaken = Vec::new();
    for batch in batches {
        for command in batch.commands() {
            if let Command::AcceptPayment(payment) = command
                && !is_taken(payment)
            {
                untaken.push(payment.id);
            }
        }
        batch.set_send_lease(send_lease);
    }
    untaken
}

/// Fails unless all of these ids are used: then nothing new is accepted under them, and each is answered as it was
/// the first time.
async fn check_are_used(
    engine: &dyn Engine,
    ids: &[PaymentId],
    deadline: Instant,
) -> Result<(), Unavailable> {
    for id in ids {
        if engine.payment(*id, deadline).await?.is_none() {
            return Err(Unavailable::NotSupported);
        }
    }
    Ok(())
}
