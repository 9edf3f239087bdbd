//! `lastro bench`: durable transfers per second, driven in process.
//!
//! By default over the embedded engine, with the disk's own floor beside the figures: the floor is what the disk takes for the same bytes: frames of the same sizes, written and
//! synced one by one into the same kind of storage, with no ledger at all. With `--database-url` over
//! a PostgreSQL, whose settings decide what an answer waits for. With `--grpc` over a ledger node.
//!
//! With `--sustain` it goes on over one ledger, and shows how the figures change while it grows.

mod drive;
mod embedded;
mod floor;
mod folder;
mod grpc;
mod ids;
mod options;
mod postgres;
mod report;
mod rows;
mod sustain;
mod workload;

use std::process::ExitCode;

use ::load::report::{Outputs, publish};
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
    let file = options.database_url_file.as_deref();
    let database_url = crate::database::url(options.database_url.as_deref(), file)?;
    ensure!(
        database_url.is_some() || !options.database.is_any(),
        "the settings of a database are for --database-url"
    );
    if options.sustain {
        let report = sustain::measure(options)?;
        let outputs = Outputs {
            json: options.json.as_deref(),
            html: options.html.as_deref(),
        };
        publish(&report, outputs)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = match (&database_url, &options.grpc) {
        (Some(url), _) => postgres::measure(options, url)?,
        (None, Some(address)) => grpc::measure(options, address)?,
        (None, None) => embedded::measure(options)?,
    };
    report.print();
    if let Some(path) = &options.json {
        report.write_json(path)?;
    }
    Ok(ExitCode::SUCCESS)
}
