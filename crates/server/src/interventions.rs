//! What people do to payments by hand: each is logged and counted once, in the process that applies
//! it, also where its caller has given up waiting. A resolution that was there already is logged and
//! counted apart: the answer to the try that applied it may have been lost inside the engine.

use std::sync::Arc;
use std::time::Instant;

use ledger::{
    Answer, Batch, Command, Engine, Millis, Outcome, Payment, ProcessorSummary, Record,
    ResolvePayment, Unavailable,
};
use stdx::invariant;

use crate::metrics::{PURGED, PURGES, RESOLUTIONS_REPEATED, RESOLVED};

/// An engine of this process whose purges and resolutions are logged and counted. An engine that hands
/// commands to another process needs none: that process reports them.
pub struct Reporting {
    engine: Arc<dyn Engine>,
}

impl Reporting {
    /// The same engine, reported. Calls with purges or resolutions need to be in a runtime.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }
}

impl Engine for Reporting {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        let interventions = Interventions::among(batches.iter().flat_map(Batch::commands));
        if interventions.0.is_empty() {
            return self.engine.submit(batches, deadline);
        }
        let engine = Arc::clone(&self.engine);
        // A task of its own, since callers stop waiting at their deadlines.
        let applied = tokio::spawn(async move {
            let answer = engine.submit(batches, deadline).await;
            match &answer {
                Ok(outcomes) => interventions.report(outcomes.iter().flatten()),
                Err(unavailable) => interventions.report_unavailable(*unavailable),
            }
            answer
        });
        Box::pin(async move {
            match applied.await {
                Ok(answer) => answer,
                Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
                // The runtime is stopping.
                Err(_) => Err(Unavailable::LedgerUnavailable),
            }
        })
    }

    ledger::forward_reads!(engine);

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        self.engine.payments_summary(from, to, deadline)
    }
}

/// The purges and resolutions among commands, with their places. Nearly always there are none.
struct Interventions(Vec<(usize, Intervention)>);

enum Intervention {
    Purge,
    Resolution(ResolvePayment),
}

/// Counts and logs a resolution that was there before it was asked for, or before the engine tried
/// again.
fn report_replayed(resolve: ResolvePayment, after: &Payment) {
    let ResolvePayment { id, who, why, .. } = resolve;
    let resolution = resolve.kind.as_str();
    let kind = ("resolution", resolution);
    metrics::counter!(RESOLUTIONS_REPEATED.name, &[kind]).increment(1);
    tracing::warn!(
        payment_id = %id, resolution, %who, %why,
        attempt = after.attempt, state = after.state.name().as_str(),
        "payment {id} was already resolved by {who}, by this request or an earlier one: {resolution}, \
         because {why}"
    );
}

impl Interventions {
    fn among<'a>(commands: impl Iterator<Item = &'a Command>) -> Self {
        let found = commands.enumerate().filter_map(|(index, command)| {
            let intervention = match command {
                Command::PurgePayments { .. } => Intervention::Purge,
                Command::ResolvePayment(resolve) => Intervention::Resolution(resolve.clone()),
                command => {
                    invariant!(
                        !command.kind().is_of_operators(),
                        "each command of operators is an intervention here"
                    );
                    return None;
                }
            };
            Some((index, intervention))
        });
        Self(found.collect())
    }

    /// Logs of each that it is unknown here whether it was applied. One that certainly was not is not logged.
    fn report_unavailable(self, unavailable: Unavailable) {
        if unavailable.nothing_done() {
            return;
        }
        let code = unavailable.code();
        for (_, intervention) in self.0 {
            match intervention {
                Intervention::Purge => tracing::warn!(
                    code,
                    "it is unknown whether a purge of the payments was applied: {unavailable}"
                ),
                Intervention::Resolution(ResolvePayment { id, who, kind, .. }) => tracing::warn!(
                    code, payment_id = %id, %who, resolution = kind.as_str(),
                    "it is unknown whether a resolution of payment {id} by {who} was applied: {unavailable}"
                ),
            }
        }
    }

    /// Logs and counts those that were carried out; `outcomes` are those of all the commands.
    fn report<'a>(self, outcomes: impl Iterator<Item = &'a Outcome>) {
        let outcomes: Vec<&Outcome> = outcomes.collect();
        for (index, intervention) in self.0 {
            let outcome = outcomes.get(index);
            let is_replayed = outcome.is_some_and(|outcome| outcome.replayed);
            match (intervention, outcome.map(|outcome| &outcome.result)) {
                (Intervention::Resolution(resolve), Some(Ok(Record::Payment(after))))
                    if is_replayed =>
                {
                    report_replayed(resolve, after);
                }
                // It was there before.
                (Intervention::Purge, _) if is_replayed => {}
                (Intervention::Purge, Some(Ok(Record::Purge { payments_count, .. }))) => {
                    metrics::counter!(PURGES.name).increment(1);
                    metrics::counter!(PURGED.name).increment(*payments_count);
                    tracing::warn!(
                        payments_count,
                        "the payments were purged: {payments_count} waiting payments were given up"
                    );
                }
                (Intervention::Resolution(resolve), Some(Ok(Record::Payment(after)))) => {
                    let ResolvePayment { id, who, why, .. } = resolve;
                    let resolution = resolve.kind.as_str();
                    let kind = ("resolution", resolution);
                    metrics::counter!(RESOLVED.name, &[kind]).increment(1);
                    tracing::warn!(
                        payment_id = %id, resolution, %who, %why,
                        attempt = after.attempt, state = after.state.name().as_str(),
                        "payment {id} was resolved by {who}: {resolution}, because {why}"
                    );
                }
                // It was refused.
                (Intervention::Purge | Intervention::Resolution(_), _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
