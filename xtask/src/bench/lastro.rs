//! `lastro bench`: the ledger in process.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::effort::Effort;
use super::figures::{Sample, Subject};
use crate::run::quiet;

const UNIT: &str = "transfers/s";

/// One way to ask for transfers.
pub(super) struct Workload {
    subject: Subject,
    transfers: u64,
    batch: u32,
    concurrency: u32,
    hot: bool,
}

pub(super) fn workloads(effort: &Effort) -> [Workload; 3] {
    [
        Workload {
            subject: Subject {
                name: "lastro_batched",
                text: "Lastro, 1,000 a call",
                unit: UNIT,
                baseline: Some("postgres"),
            },
            transfers: effort.batched_transfers,
            batch: 1_000,
            concurrency: 4,
            hot: false,
        },
        Workload {
            subject: Subject {
                name: "lastro_single",
                text: "Lastro, 1 a call, 1 in flight",
                unit: UNIT,
                baseline: Some("postgres_single"),
            },
            transfers: effort.single_transfers,
            batch: 1,
            concurrency: 1,
            hot: false,
        },
        Workload {
            subject: Subject {
                name: "lastro_hot",
                text: "Lastro, 1 a call, 256 in flight, one hot account",
                unit: UNIT,
                baseline: Some("postgres_hot"),
            },
            transfers: effort.hot_transfers,
            batch: 1,
            concurrency: 256,
            hot: true,
        },
    ]
}

/// What `lastro bench --json` says, as far as it is needed here.
#[derive(Deserialize)]
struct Said {
    durability: String,
    transfers_per_s: f64,
    batch_p50_us: f64,
    batch_p99_us: f64,
}

pub(super) fn measure(binary: &Path, workload: &Workload, folder: &Path) -> Result<Sample> {
    let data = tempfile::tempdir_in(folder)?;
    let json = folder.join("lastro.json");
    let mut bench = Command::new(binary);
    bench
        .args(["bench", "--transfers", &workload.transfers.to_string()])
        .args(["--batch", &workload.batch.to_string()])
        .args(["--concurrency", &workload.concurrency.to_string()])
        .args(workload.hot.then_some("--hot"))
        .arg("--data-dir")
        .arg(data.path())
        .arg("--json")
        .arg(&json);
    quiet(&mut bench)?;
    read(workload.subject, &std::fs::read_to_string(&json)?)
}

fn read(subject: Subject, json: &str) -> Result<Sample> {
    let said: Said = serde_json::from_str(json).context("lastro bench wrote other JSON")?;
    Ok(Sample {
        subject,
        durability: said.durability,
        per_s: Some(said.transfers_per_s),
        p50_us: Some(said.batch_p50_us),
        p99_us: Some(said.batch_p99_us),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_json_is_read() {
        let [workload, ..] = workloads(&super::super::QUICK);
        let json = r#"{"transfers_count": 10, "durability": "disk", "transfers_per_s": 1.5,
            "batch_p50_us": 2.5, "batch_p99_us": 3.5, "more": null}"#;
        let sample = read(workload.subject, json).unwrap();
        assert_eq!(sample.durability, "disk");
        let figures = (sample.per_s, sample.p50_us, sample.p99_us);
        assert_eq!(figures, (Some(1.5), Some(2.5), Some(3.5)));
        assert!(read(workload.subject, "{}").is_err());
    }
}
