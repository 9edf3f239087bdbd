//! `lastro verify --since`: what was recorded since a head that was verified before.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use engine_embedded::VerifiedSince;
use journal::FileStorage;

use super::{found, newest};
use crate::kept_head::KeptHead;

/// `None` if there is no snapshot to begin with.
pub(super) fn run(
    storage: &FileStorage,
    kept: KeptHead,
    data_dir: &Path,
) -> anyhow::Result<Option<ExitCode>> {
    let place = data_dir.display();
    let verified = engine_embedded::verify_since(storage, (kept.sequence, kept.hash))
        .with_context(|| format!("cannot verify {place}"))?;
    let Some(verified) = verified else {
        println!(
            "no snapshot is at or before frame {}: everything is read",
            kept.sequence
        );
        return Ok(None);
    };
    print(&verified);
    found::print(kept, verified.expected);
    if !newest::is_past(verified.newest) {
        return Ok(Some(ExitCode::FAILURE));
    }
    if verified.is_clean() {
        println!(
            "clean since then: the chain is whole, times increase, snapshots and tables agree with the \
             records, no limit is passed, and the balances sum to zero. Not checked: what was recorded \
             before, that no id was used twice, and what single records say of transfers, payments and \
             entries"
        );
        return Ok(Some(ExitCode::SUCCESS));
    }
    for finding in &verified.findings {
        println!("  {finding}");
    }
    println!("NOT CLEAN: {} rules are broken", verified.findings.len());
    Ok(Some(ExitCode::FAILURE))
}

fn print(verified: &VerifiedSince) {
    let segment = verified.from.number;
    println!(
        "relied upon the snapshot before segment {segment}, after frame {}",
        verified.from.head.sequence
    );
    println!("records     {} since", verified.records_count);
    println!("accounts    {}", verified.accounts_count);
    for (currency, balance) in &verified.balances {
        println!("sum of {currency}  {balance}");
    }
    println!("head        {}", KeptHead::from(verified.head));
    if verified.snapshots_count + verified.tables_count > 0 {
        println!(
            "beside it   {} later snapshots and {} tables of ids agree with the records",
            verified.snapshots_count, verified.tables_count
        );
    }
}
