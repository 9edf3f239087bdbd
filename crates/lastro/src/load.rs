//! `lastro load`: the load scenarios' command lines.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ::load::report::{Outputs, publish};
use ::load::{Connections, Target, bank, capacity, rinha_2024, rinha_2025};
use anyhow::bail;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::keys::read_secret;

/// `lastro load`
#[derive(Parser)]
pub(crate) struct LoadOptions {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Runs the 2024 challenge's official load and computes its score.
    ///
    /// The exit code is 0 when nothing was fined.
    #[command(name = "rinha-2024")]
    Rinha2024(Rinha2024),
    /// Runs the 2025 challenge's official load, its stages, its checks, and computes its score.
    ///
    /// Starts the two payment processors itself, unless they are named. The exit code is 0 when
    /// every payment was accepted and paid exactly once by the end, and every comparison was equal.
    #[command(name = "rinha-2025")]
    Rinha2025(Rinha2025),
    /// Finds the highest rate of the official mix that holds a latency bound without an error.
    ///
    /// With `--bare`, a built-in handler that answers the same bytes without a ledger is driven:
    /// alone, or beside a given `--target`. Put a proxy before `--bare-listen` and name it as
    /// `--bare-target` to see the proxy's own wall. The exit code is 0 when a rate held.
    Capacity(Capacity),
    /// Runs the clients of a distributed bank, then audits their money.
    ///
    /// Opens accounts of its own. The exit code is 0 when every answer was right and the audit found
    /// nothing: no money made or lost, no limit passed, every operation applied exactly once.
    Bank(Bank),
}

#[derive(Args)]
struct Rinha2024 {
    /// The server; loads only go to loopback addresses.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9999")]
    target: Target,
    #[command(flatten)]
    key: KeyFile,
    /// Multiplies the arrivals per second.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    rate_scale: f64,
    /// Multiplies the durations of the ramps, officially 2 minutes each.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    duration_scale: f64,
    /// Uses a pool of connections instead of a new one for each arrival.
    #[arg(long)]
    keep_alive: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Rinha2025 {
    /// The server; loads only go to loopback addresses.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9999")]
    target: Target,
    #[command(flatten)]
    key: KeyFile,
    /// Runs the final's script of 300 s instead of the 60 s.
    #[arg(long = "final")]
    is_final: bool,
    /// How many users there are at the end; officially 500, 550 or 603
    /// [default: 500, with --final 603].
    #[arg(long, value_name = "COUNT")]
    users: Option<usize>,
    /// Processors that run already, as default=URL,fallback=URL.
    #[arg(long, value_name = "NAME=URL", value_delimiter = ',', value_parser = named_target)]
    processors: Vec<(String, Target)>,
    /// Where the processors are started otherwise: default, then fallback.
    #[arg(long, value_name = "ADDR,ADDR", value_delimiter = ',', num_args = 1..=2,
          default_value = "127.0.0.1:8001,127.0.0.1:8002", conflicts_with = "processors")]
    processors_listen: Vec<SocketAddr>,
    /// Token of admin calls to the processors.
    #[arg(long, default_value = "123")]
    token: String,
    /// Time in seconds that the server has, after the script, to pay what it accepted.
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(..=3_600))]
    drain_s: u64,
    /// Drives the built-in bare handler first, in the same way, as the reference for the p99.
    #[arg(long)]
    bare: bool,
    /// Where the bare handler listens; port 0 is any free one.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:0",
        requires = "bare"
    )]
    bare_listen: SocketAddr,
    /// Where the bare handler is driven when a proxy stands before it.
    #[arg(long, value_name = "URL", requires = "bare")]
    bare_target: Option<Target>,
    #[command(flatten)]
    files: Files,
}

/// `default=http://127.0.0.1:8001`
fn named_target(text: &str) -> Result<(String, Target), String> {
    let (name, url) = text.split_once('=').ok_or("say NAME=URL")?;
    if !["default", "fallback"].contains(&name) {
        return Err(format!("{name} is neither default nor fallback"));
    }
    let target = url.parse().map_err(|error| format!("{error:#}"))?;
    Ok((name.to_owned(), target))
}

#[derive(Args)]
struct Capacity {
    /// The server; http://127.0.0.1:9999 unless only the bare handler is driven.
    #[arg(long, value_name = "URL")]
    target: Option<Target>,
    #[command(flatten)]
    key: KeyFile,
    /// Latency that 99 % of a step's requests must not exceed, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    p99_ms: u64,
    /// Duration of a step, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How requests get their connection.
    #[arg(long, value_enum, default_value_t = Modes::Both)]
    connections: Modes,
    /// The first step's requests per second.
    #[arg(long, value_name = "RATE", default_value_t = 1_000)]
    rate_first: u32,
    /// The highest step's requests per second.
    #[arg(long, value_name = "RATE", default_value_t = 200_000)]
    rate_max: u32,
    /// Maximum number of connections at the same time.
    #[arg(long, value_name = "COUNT", default_value_t = 512,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=20_000))]
    connections_max: usize,
    /// Drives the built-in bare handler.
    #[arg(long)]
    bare: bool,
    /// Where the bare handler listens; port 0 is any free one.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:0",
        requires = "bare"
    )]
    bare_listen: SocketAddr,
    /// Where the bare handler is driven when a proxy stands before it.
    #[arg(long, value_name = "URL", requires = "bare")]
    bare_target: Option<Target>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum Modes {
    KeepAlive,
    New,
    Both,
}

#[derive(Args)]
struct Bank {
    /// The servers, all of them faces of one ledger; operations go to random ones.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', required = true)]
    servers: Vec<Target>,
    #[command(flatten)]
    key: KeyFile,
    /// How many accounts are opened.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    accounts: usize,
    /// Operations per second, in all.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Duration in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Sends operations to be applied later (`POST /v1/operations`), and asks for their outcomes.
    #[arg(long = "async")]
    is_async: bool,
    /// Time limit for an operation with its repetitions, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=600))]
    deadline_s: u64,
    #[command(flatten)]
    common: Common,
}

/// Who the callers are.
#[derive(Args)]
struct KeyFile {
    /// File with the secret of the key that requests show, for a server with `--keys`.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl KeyFile {
    /// The server for callers with this key.
    fn to(&self, target: &Target) -> anyhow::Result<Target> {
        let secret = self.key_file.as_deref().map(read_secret).transpose()?;
        Ok(target.clone().with_key(secret))
    }
}

/// What all scenarios take.
#[derive(Args)]
struct Common {
    /// Seed of the random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time limit for a request, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout_s: u64,
    #[command(flatten)]
    files: Files,
}

/// Where reports go.
#[derive(Args)]
struct Files {
    /// Writes the figures as JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
    /// Writes the report as one self-contained page to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Files {
    fn outputs(&self) -> Outputs<'_> {
        Outputs {
            json: self.json.as_deref(),
            html: self.html.as_deref(),
        }
    }
}

impl Common {
    const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// Runs the scenario; the exit code says whether its own criteria hold.
pub(crate) fn run(options: &LoadOptions) -> anyhow::Result<ExitCode> {
    let passed = match &options.scenario {
        Scenario::Rinha2024(options) => run_rinha_2024(options)?,
        Scenario::Rinha2025(options) => run_rinha_2025(options)?,
        Scenario::Capacity(options) => run_capacity(options)?,
        Scenario::Bank(options) => run_bank(options)?,
    };
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_rinha_2024(options: &Rinha2024) -> anyhow::Result<bool> {
    let report = rinha_2024::run(&rinha_2024::Rinha2024Options {
        target: options.key.to(&options.target)?,
        rate_scale: options.rate_scale,
        duration_scale: options.duration_scale,
        seed: options.common.seed,
        connections: if options.keep_alive {
            Connections::KeptAlive
        } else {
            Connections::New
        },
        timeout: options.common.timeout(),
    })?;
    publish(&report, options.common.files.outputs())?;
    Ok(report.passed())
}

fn run_rinha_2025(options: &Rinha2025) -> anyhow::Result<bool> {
    let script = if options.is_final {
        rinha_2025::Script::finale(options.users.unwrap_or(603))
    } else {
        rinha_2025::Script::interim(options.users.unwrap_or(500))
    };
    let report = rinha_2025::run(&rinha_2025::Rinha2025Options {
        target: options.key.to(&options.target)?,
        script,
        processors: processors(options)?,
        token: options.token.clone(),
        drain_max: Duration::from_secs(options.drain_s),
        bare: options.bare.then(|| capacity::BareOptions {
            listen: options.bare_listen,
            target: options.bare_target.clone(),
        }),
    })?;
    publish(&report, options.files.outputs())?;
    Ok(report.passed())
}

fn processors(options: &Rinha2025) -> anyhow::Result<rinha_2025::Processors> {
    let given = |name| {
        let mut given = options.processors.iter();
        given
            .find(|(of, _)| of == name)
            .map(|(_, target)| target.clone())
    };
    match (
        given("default"),
        given("fallback"),
        options.processors_listen.as_slice(),
    ) {
        (Some(default), Some(fallback), _) => {
            Ok(rinha_2025::Processors::Given { default, fallback })
        }
        (None, None, &[default, fallback]) => Ok(rinha_2025::Processors::Own { default, fallback }),
        _ => bail!("name both processors: default and fallback"),
    }
}

fn run_capacity(options: &Capacity) -> anyhow::Result<bool> {
    let by_default = || {
        (!options.bare)
            .then(|| "127.0.0.1:9999".parse())
            .transpose()
    };
    let target = match &options.target {
        Some(target) => Some(target.clone()),
        None => by_default()?,
    };
    let report = capacity::run(&capacity::CapacityOptions {
        target: target.map(|target| options.key.to(&target)).transpose()?,
        bare: options.bare.then(|| capacity::BareOptions {
            listen: options.bare_listen,
            target: options.bare_target.clone(),
        }),
        connections: match options.connections {
            Modes::KeepAlive => vec![Connections::KeptAlive],
            Modes::New => vec![Connections::New],
            Modes::Both => vec![Connections::KeptAlive, Connections::New],
        },
        p99_max: Duration::from_millis(options.p99_ms),
        step: Duration::from_secs(options.seconds),
        rate_first: options.rate_first,
        rate_max: options.rate_max,
        connections_max: options.connections_max,
        seed: options.common.seed,
        timeout: options.common.timeout(),
    })?;
    publish(&report, options.common.files.outputs())?;
    Ok(report.passed())
}

fn run_bank(options: &Bank) -> anyhow::Result<bool> {
    let report = bank::run(&bank::BankOptions {
        servers: options
            .servers
            .iter()
            .map(|server| options.key.to(server))
            .collect::<anyhow::Result<_>>()?,
        accounts_count: options.accounts,
        rate: options.rate,
        seconds: options.seconds,
        is_async: options.is_async,
        seed: options.common.seed,
        timeout: options.common.timeout(),
        deadline: Duration::from_secs(options.deadline_s),
    })?;
    publish(&report, options.common.files.outputs())?;
    Ok(report.passed())
}
