//! The baseline: the same transfers as a stored function of PostgreSQL, driven by `pgbench`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use testkit::servers::{Postgres, ServerOptions};

use super::figures::{Sample, Subject};
use crate::run::quiet;

const SCHEMA: &str = include_str!("baseline.sql");
const UNIT: &str = "transfers/s";
/// What an administrator sets for such a load; nothing of it touches durability.
const SETTINGS: [(&str, &str); 2] = [("shared_buffers", "256MB"), ("max_wal_size", "4GB")];

/// One way to ask for transfers.
pub(super) struct Workload {
    subject: Subject,
    clients: u32,
    script: &'static str,
}

pub(super) const WORKLOADS: [Workload; 3] = [
    Workload {
        subject: Subject {
            name: "postgres",
            text: "PostgreSQL, 16 clients",
            unit: UNIT,
            baseline: None,
        },
        clients: 16,
        script: include_str!("uniform.pgbench"),
    },
    Workload {
        subject: Subject {
            name: "postgres_single",
            text: "PostgreSQL, 1 client",
            unit: UNIT,
            baseline: None,
        },
        clients: 1,
        script: include_str!("uniform.pgbench"),
    },
    Workload {
        subject: Subject {
            name: "postgres_hot",
            text: "PostgreSQL, 16 clients, one hot account",
            unit: UNIT,
            baseline: None,
        },
        clients: 16,
        script: include_str!("hot.pgbench"),
    },
];

/// A PostgreSQL of its own.
pub(super) struct Baseline {
    postgres: Postgres,
    durability: String,
}

impl Baseline {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let options = ServerOptions {
            folder: Some(folder.to_owned()),
            ..ServerOptions::with_settings(&SETTINGS)
        };
        let postgres = Postgres::start_with(&options).map_err(|error| anyhow!("{error}"))?;
        let show = |name: &str| {
            let shown = postgres.psql(&format!("SHOW {name}"));
            shown.map_err(|error| anyhow!("{error}"))
        };
        let (fsync, commit) = (show("fsync")?, show("synchronous_commit")?);
        ensure!(
            (&*fsync, &*commit) == ("on", "on"),
            "PostgreSQL is not durable: fsync {fsync}, synchronous_commit {commit}"
        );
        Ok(Self {
            durability: "disk (fsync, synchronous_commit)".to_owned(),
            postgres,
        })
    }

    pub(super) fn measure(
        &self,
        workload: &Workload,
        seconds: u32,
        folder: &Path,
    ) -> Result<Sample> {
        for statement in [SCHEMA, "VACUUM ANALYZE", "CHECKPOINT"] {
            self.ask(statement)?;
        }
        let logs = tempfile::tempdir_in(folder)?;
        let script = logs.path().join("script");
        fs::write(&script, workload.script)?;
        let pgbench = self.postgres.program("pgbench");
        let mut pgbench = Command::new(pgbench.map_err(|error| anyhow!("{error}"))?);
        pgbench
            .args(["--host=127.0.0.1", "--username=postgres", "--no-vacuum"])
            .arg(format!("--port={}", self.postgres.port()))
            .args(["--protocol=prepared", "--random-seed=1", "--log"])
            .arg(format!("--client={}", workload.clients))
            .arg(format!("--jobs={}", workload.clients.min(2)))
            .arg(format!("--time={seconds}"))
            .arg("--file")
            .arg(&script)
            .arg("postgres")
            .current_dir(logs.path());
        let output = quiet(&mut pgbench)?;
        let said = read(&String::from_utf8_lossy(&output.stdout))?;
        self.audit(said.transactions_count)?;
        let mut latencies_us = latencies_us(logs.path())?;
        latencies_us.sort_unstable();
        Ok(Sample {
            subject: workload.subject,
            durability: self.durability.clone(),
            per_s: Some(said.per_s),
            p50_us: percentile(&latencies_us, 50),
            p99_us: percentile(&latencies_us, 99),
        })
    }

    /// The baseline must be right, too: money is conserved, no limit passed, nothing lost.
    fn audit(&self, transactions_count: u64) -> Result<()> {
        let found = self.ask(
            "SELECT sum(balance), count(*) FILTER (WHERE balance + credit_limit < 0),
                 (SELECT count(*) FROM transfers) FROM accounts",
        )?;
        let created = found.strip_prefix("0|0|").and_then(|it| it.parse().ok());
        let created: u64 = created.with_context(|| format!("the baseline is wrong: {found}"))?;
        ensure!(
            (transactions_count * 9 / 10..=transactions_count).contains(&created),
            "{transactions_count} database transactions made {created} transfers"
        );
        Ok(())
    }

    fn ask(&self, statements: &str) -> Result<String> {
        let said = self.postgres.psql(statements);
        said.map_err(|error| anyhow!("{error}"))
    }
}

/// What `pgbench` says at its end.
struct Said {
    transactions_count: u64,
    per_s: f64,
}

fn read(text: &str) -> Result<Said> {
    let after = |label: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(label));
        let value = lines.next().and_then(|rest| rest.split_whitespace().next());
        value.with_context(|| format!("pgbench says nothing of `{label}`:\n{text}"))
    };
    let failed = after("number of failed transactions: ")?;
    ensure!(
        failed == "0",
        "{failed} of pgbench's transactions failed:\n{text}"
    );
    Ok(Said {
        transactions_count: after("number of transactions actually processed: ")?.parse()?,
        per_s: after("tps = ")?.parse()?,
    })
}

/// The third field of each line that `pgbench --log` writes; a file per thread.
fn latencies_us(folder: &Path) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry
            .file_name()
            .to_string_lossy()
            .starts_with("pgbench_log.")
        {
            continue;
        }
        for line in fs::read_to_string(entry.path())?.lines() {
            let field = line.split(' ').nth(2).and_then(|field| field.parse().ok());
            all.push(field.with_context(|| format!("pgbench logged `{line}`"))?);
        }
    }
    Ok(all)
}

/// The value that so many per cent of the sorted values do not pass.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a call")]
fn percentile(sorted: &[u64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map(|us| *us as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: script
number of clients: 16
number of transactions actually processed: 12345
number of failed transactions: 0 (0.000%)
latency average = 3.888 ms
initial connection time = 21.5 ms
tps = 4115.226337 (without initial connection time)
";

    #[test]
    fn its_summary_is_read_and_failures_are_none() {
        let said = read(SAID).unwrap();
        assert_eq!(said.transactions_count, 12_345);
        assert!((said.per_s - 4_115.226_337).abs() < 1e-9);
        let failed = SAID.replace("failed transactions: 0", "failed transactions: 7");
        assert!(read(&failed).is_err());
        assert!(read("").is_err());
    }

    #[test]
    fn its_logs_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        file(
            "pgbench_log.12",
            "0 1 300 0 1700000000 1\n1 1 100 0 1700000000 2\n",
        );
        file("pgbench_log.12.1", "2 1 200 0 1700000000 3\n");
        file("script", "SELECT 1;\n");
        let mut latencies = latencies_us(folder.path()).unwrap();
        latencies.sort_unstable();
        assert_eq!(latencies, [100, 200, 300]);
        assert_eq!(percentile(&latencies, 50), Some(200.0));
        assert_eq!(percentile(&latencies, 99), Some(300.0));
        assert_eq!(percentile(&[], 50), None);
    }

    /// Small, but real: the function, the scripts and the audit.
    #[test]
    fn the_baseline_runs() {
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).unwrap();
        let baseline = Baseline::start(&folder.path().join("postgres")).unwrap();
        for workload in &WORKLOADS {
            let sample = baseline.measure(workload, 1, folder.path()).unwrap();
            assert!(sample.per_s.unwrap() > 1.0, "{sample:?}");
            assert!(sample.p99_us >= sample.p50_us, "{sample:?}");
        }
        let twice = "SELECT transfer('0190a0b0-0000-7000-8000-000000000001', 1, 2, 5)";
        assert_eq!(baseline.ask(twice).unwrap(), "created");
        assert_eq!(baseline.ask(twice).unwrap(), "exists");
        let limit = "UPDATE accounts SET balance = -credit_limit WHERE id = 1";
        baseline.ask(limit).unwrap();
        let more = twice.replace("001'", "002'");
        assert_eq!(baseline.ask(&more).unwrap(), "insufficient_funds");
    }
}
