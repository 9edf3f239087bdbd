//! The 2024 challenge's five accounts.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ledger::{AccountId, Batch, Command, Currency, Engine, OpenAccount};

/// Ids and credit limits, in centavos.
const ACCOUNTS: [(&str, u64); 5] = [
    ("1", 100_000),
    ("2", 80_000),
    ("3", 1_000_000),
    ("4", 10_000_000),
    ("5", 500_000),
];

/// Opens the accounts; those that are open already stay as they are.
pub(super) async fn open_accounts(engine: &dyn Engine) -> anyhow::Result<()> {
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
    let deadline = Instant::now() + Duration::from_secs(10);
    let outcomes = engine
        .submit(vec![Batch::independent(commands)?], deadline)
        .await
        .context("cannot open the demo's accounts")?;
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
