//! `lastro bench`: durable transfers per second, driven in process.
//!
//! By default over the embedded engine, with the disk's own floor beside the figures: the floor is what the disk takes for the same bytes: frames of the same sizes, written and
//! synced one by one into the same kind of storage, with no ledger at all. With `--database-url` over
//! a PostgreSQL, whose settings decide what an answer waits for. With `--grpc` over a ledger node.

mod drive;
mod embedded;
mod floor;
mod folder;
mod grpc;
mod options;
mod postgres;
mod report;
mod workload;

use std::process::ExitCode;

use anyhow::ensure;

use crate::settings::Settings as _;
pub(crate) use options::BenchOptions;

pub(crate) fn run(options: &BenchOptions) -> anyhow::Result<ExitCode> {
    ensure!(options.transfers > 0, "--transfers must be at least 1");
    ensure!(options.concurrency > 0, "--concurrency must be at least 1");
    ensure!(options.accounts > 1, "--accounts must be at least 2");
    let batch_max = ledger::BATCH_COMMANDS_MAX;
    ensure!(
        (1..=batch_max).contains(&options.batch),
        "--batch must be 1 to {batch_max}"
    );
    let report = match (&options.database_url, &options.grpc) {
        (Some(url), _) => postgres::measure(options, url)?,
        (None, Some(address)) => grpc::measure(options, address)?,
        (None, None) => {
            let settings = "the settings of a database are for --database-url";
            ensure!(!options.database.is_any(), settings);
            embedded::measure(options)?
        }
    };
    report.print();
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    Ok(ExitCode::SUCCESS)
}
