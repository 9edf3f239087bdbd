//! The 2024 challenge's five accounts.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ledger::{AccountId, Batch, Command, Currency, Engine, OpenAccount, Unavailable};

/// Ids and credit limits, in centavos.
const ACCOUNTS: [(&str, u64); 5] = [
    ("1", 100_000),
    ("2", 80_000),
    ("3", 1_000_000),
    ("4", 10_000_000),
    ("5", 500_000),
];

/// How long a ledger that does not answer is left alone before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens the accounts; those that are open already stay as they are. `waits` for a ledger that is
/// not up yet.
pub(super) async fn open_accounts(engine: &dyn Engine, waits: bool) -> anyhow::Result<()> {
    let currency = Currency::new("BRL")?;
    let commands: Vec<Command> = ACCOUNTS
        .into_iter()
        .map(|(id, credit_limit)| {
            Ok(Command::OpenAccount(OpenAccount {
                id: AccountId::new(id)?,
                currency,
                credit_limit,
            }))
        })
        .collect::<anyhow::Result<_>>()?;
    let batch = Batch::independent(commands)?;
    let outcomes = loop {
        let deadline = Instant::now() + Duration::from_secs(10);
        match engine.submit(vec![batch.clone()], deadline).await {
            Err(Unavailable::LedgerUnavailable | Unavailable::Opening | Unavailable::Timeout)
                if waits =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            answer => break answer.context("cannot open the demo's accounts")?,
        }
    };
    for ((id, _), outcome) in ACCOUNTS.iter().zip(outcomes.iter().flatten()) {
        if let Err(refusal) = &outcome.result {
            bail!(
                "cannot open the demo's account {id}: {refusal} ({})",
                refusal.code()
            );
        }
    }
    Ok(())
}
