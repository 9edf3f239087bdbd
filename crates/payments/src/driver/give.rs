//! Giving the ledger the dispatcher's commands.

use std::time::{Duration, Instant};

use ledger::{Batch, Command, Engine, Outcome, PaymentId, Unavailable};

/// How long the ledger has for a command or a page.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(2);

/// By when the ledger has to answer what it is asked now.
pub(super) fn in_time() -> Instant {
    Instant::now() + ENGINE_TIMEOUT
}

/// Gives the engine commands that stand alone, each with the payment that it is about, and reports a result
/// for each, as soon as it is known. A damaged record that one of them needs refuses the whole call, and
/// nothing is done: then halves are given, so that only that command fails. The other half does not wait.
pub(super) async fn give(
    engine: &dyn Engine,
    commands: Vec<(PaymentId, Command)>,
    mut report: impl FnMut(PaymentId, Result<Outcome, Unavailable>),
) {
    let mut parts = vec![commands];
    while let Some(mut part) = parts.pop() {
        match give_as_one(engine, &part).await {
            Ok(outcomes) => {
                stdx::invariant!(
                    outcomes.len() == part.len(),
                    "an engine returns an outcome for each command"
                );
                for ((id, _), outcome) in part.iter().zip(outcomes) {
                    report(*id, Ok(outcome));
                }
            }
            Err(Unavailable::StorageDamaged) if part.len() > 1 => {
                let second_half = part.split_off(part.len() / 2);
                parts.extend([second_half, part]);
            }
            Err(unavailable) => {
                for (id, _) in part {
                    report(id, Err(unavailable));
                }
            }
        }
    }
}

async fn give_as_one(
    engine: &dyn Engine,
    commands: &[(PaymentId, Command)],
) -> Result<Vec<Outcome>, Unavailable> {
    let commands = commands.iter().map(|(_, command)| command.clone());
    let batch = Batch::independent(commands.collect()).map_err(|invalid| {
        tracing::error!(%invalid, "commands about payments do not form a valid batch: {invalid}");
        Unavailable::Overloaded
    })?;
    let outcomes = engine.submit(vec![batch], in_time()).await?;
    Ok(outcomes.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
