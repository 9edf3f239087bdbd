//! What people do to payments by hand: each is logged and counted where it is applied.

use ledger::{Command, Outcome, Record, ResolvePayment};

/// The purges and resolutions among commands, with their places. Nearly always there are none.
pub(crate) struct Interventions(Vec<(usize, Intervention)>);

enum Intervention {
    Purge,
    Resolution(ResolvePayment),
}

/// Describes the metrics.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "lastro_payments_purges_total",
        "Purges of all payments that waited"
    );
    metrics::describe_counter!(
        "lastro_payments_purged_total",
        "Payments that were given up by a purge"
    );
    metrics::describe_counter!(
        "lastro_payments_resolved_total",
        "Payments that were resolved by hand, by what was decided"
    );
}

impl Interventions {
    pub(crate) fn among<'a>(commands: impl Iterator<Item = &'a Command>) -> Self {
        let found = commands.enumerate().filter_map(|(index, command)| {
            let intervention = match command {
                Command::PurgePayments => Intervention::Purge,
                Command::ResolvePayment(resolve) => Intervention::Resolution(resolve.clone()),
                Command::OpenAccount(_)
                | Command::ChangeLimit { .. }
                | Command::CloseAccount { .. }
                | Command::Transfer(_)
                | Command::Pend { .. }
                | Command::Post { .. }
                | Command::Void { .. }
                | Command::Expire { .. }
                | Command::AcceptPayment(_)
                | Command::SendPayment { .. }
                | Command::SettlePayment { .. }
                | Command::ReleasePayment { .. }
                | Command::RefusePayment { .. } => return None,
            };
            Some((index, intervention))
        });
        Self(found.collect())
    }

    /// Logs and counts those that were carried out; `outcomes` are those of all the commands.
    pub(crate) fn report<'a>(self, outcomes: impl Iterator<Item = &'a Outcome>) {
        if self.0.is_empty() {
            return;
        }
        let outcomes: Vec<&Outcome> = outcomes.collect();
        for (index, intervention) in self.0 {
            let outcome = outcomes.get(index).filter(|outcome| !outcome.replayed);
            match (intervention, outcome.map(|outcome| &outcome.result)) {
                (Intervention::Purge, Some(Ok(Record::Purge { payments_count, .. }))) => {
                    metrics::counter!("lastro_payments_purges_total").increment(1);
                    metrics::counter!("lastro_payments_purged_total").increment(*payments_count);
                    tracing::warn!(
                        payments_count,
                        "the payments were purged: {payments_count} were waiting"
                    );
                }
                (Intervention::Resolution(resolve), Some(Ok(Record::Payment(after)))) => {
                    let ResolvePayment { id, who, why, .. } = resolve;
                    let resolution = resolve.kind.as_str();
                    let kind = ("resolution", resolution);
                    metrics::counter!("lastro_payments_resolved_total", &[kind]).increment(1);
                    tracing::warn!(
                        payment_id = %id, resolution, %who, %why,
                        attempt = after.attempt, state = after.state.name().as_str(),
                        "payment {id} was resolved by {who}: {resolution}, since {why}"
                    );
                }
                // It was refused, or was there before.
                (Intervention::Purge | Intervention::Resolution(_), _) => {}
            }
        }
    }
}
