//! `lastro processor`: a payment processor to test against.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use ::processor::{Decimal, Host, Processor, ProcessorSettings};
use anyhow::{Context, ensure};
use tokio::signal::unix::{SignalKind, signal};

#[derive(clap::Args)]
pub(crate) struct ProcessorOptions {
    /// Where it is served; port 0 is any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8001")]
    listen: SocketAddr,
    /// Name of the processor.
    #[arg(long, default_value = "default")]
    name: String,
    /// Its share of each payment, such as 0.05 [default: 0.05 for `default`, else 0.15].
    #[arg(long, value_parser = fee)]
    fee: Option<Decimal>,
    /// Token that admin calls must have in X-Rinha-Token.
    #[arg(long, default_value = "123")]
    token: String,
    /// Initial delay of each payment, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    delay_ms: u64,
    /// Starts in the state in which payments fail.
    #[arg(long)]
    failing: bool,
    /// Allows an address beyond loopback, although any caller there can order failures.
    #[arg(long)]
    insecure: bool,
}

fn fee(text: &str) -> Result<Decimal, String> {
    let fee: Decimal = text.parse().map_err(|error| format!("{error}"))?;
    if fee < Decimal::ZERO || fee > Decimal::hundredths(100) || !fee.is_factor() {
        return Err("a fee is 0 to 1 with at most 4 digits after the point".to_owned());
    }
    Ok(fee)
}

/// Serves until SIGTERM or Ctrl-C.
pub(crate) fn run(options: ProcessorOptions) -> anyhow::Result<ExitCode> {
    ensure!(
        options.listen.ip().is_loopback() || options.insecure,
        "--listen {} can be reached from other machines, and any caller can order failures: listen on loopback, or allow it with --insecure",
        options.listen
    );
    let official = ProcessorSettings::official(&options.name);
    let settings = ProcessorSettings {
        name: options.name,
        fee: options.fee.unwrap_or(official.fee),
        token: options.token,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let host = Host::bind(options.listen)
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        eprintln!(
            "processor {} with a fee of {} is listening on {}",
            settings.name,
            settings.fee,
            host.address()
        );
        let processor = Processor::new(settings);
        processor.set_delay(Duration::from_millis(options.delay_ms));
        processor.set_failing(options.failing);
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        host.serve(processor, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}
