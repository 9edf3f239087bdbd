//! A ledger node over gRPC, driven: the same transfers over the wire.

use std::sync::Arc;

use anyhow::ensure;
use engine_remote::{LedgerAddress, RemoteEngine};
use ledger::{Clock, Engine};

use super::drive::drive;
use super::options::BenchOptions;
use super::report::Report;
use super::workload::Workload;
use crate::clock::SystemClock;

pub(super) fn measure(options: &BenchOptions, address: &LedgerAddress) -> anyhow::Result<Report> {
    // The node keeps what it is given: each run has ids of its own.
    let workload = Arc::new(Workload::of_run(options, SystemClock.now().as_nanos()));
    let driven = drive(
        async || {
            let options = options.remote()?;
            Ok(Arc::new(RemoteEngine::new(address.clone(), options)) as Arc<dyn Engine>)
        },
        &workload,
        || Ok(None),
    )?;
    let answered_count = driven.created_count + driven.refused_count;
    ensure!(
        answered_count == options.transfers,
        "{answered_count} of {} transfers were answered",
        options.transfers
    );
    let durability = "the ledger node's, as it said at its start".to_owned();
    Ok(Report::new(options, &driven, ("remote", durability), None))
}
