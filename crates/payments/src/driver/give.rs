//! Giving the ledger the dispatcher's commands.

use std::time::{Duration, Instant};

use ledger::{Batch, Command, Engine, Outcome, Unavailable};

/// How long the ledger has for a command or a page.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(2);

/// By when the ledger has to answer what it is asked now.
pub(super) fn in_time() -> Instant {
    Instant::now() + ENGINE_TIMEOUT
}

/// Gives the engine commands that stand alone, and returns a result for each, in their order. A damaged
/// record that one of them needs refuses the whole call, and nothing is done: then halves are given, so
/// that only that command fails.
pub(super) async fn give(
    engine: &dyn Engine,
    commands: Vec<Command>,
) -> Vec<Result<Outcome, Unavailable>> {
    let mut results = Vec::with_capacity(commands.len());
    let mut parts = vec![commands];
    while let Some(mut part) = parts.pop() {
        match give_as_one(engine, part.clone()).await {
            Ok(outcomes) => {
                stdx::invariant!(
                    outcomes.len() == part.len(),
                    "an engine returns an outcome for each command"
                );
                results.extend(outcomes.into_iter().map(Ok));
            }
            Err(Unavailable::StorageDamaged) if part.len() > 1 => {
                let second_half = part.split_off(part.len() / 2);
                parts.extend([second_half, part]);
            }
            Err(unavailable) => results.extend(part.iter().map(|_| Err(unavailable))),
        }
    }
    results
}

async fn give_as_one(
    engine: &dyn Engine,
    commands: Vec<Command>,
) -> Result<Vec<Outcome>, Unavailable> {
    let batch = Batch::independent(commands).map_err(|invalid| {
        tracing::error!(%invalid, "commands about payments do not form a valid batch: {invalid}");
        Unavailable::Overloaded
    })?;
    let outcomes = engine.submit(vec![batch], in_time()).await?;
    Ok(outcomes.into_iter().flatten().collect())
}
