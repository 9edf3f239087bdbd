//! The server that is asked, and how its answers are printed.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use lastro_client::{Client, ClientKey, ClientOptions, OptionsInvalid, Retry};

use super::failure;
use super::output::Form;
use crate::keys::read_secret;

/// What all of these commands say of themselves.
pub(super) const EXIT_CODES: &str = "In a terminal a table is printed, with amounts as decimals of their currency; elsewhere and with --json one JSON \
     object a line, with amounts in minor units.\n\nExit codes: 0 done; 1 refused, or it failed and nothing was done; 2 \
     a mistake in the command line; 3 the outcome is unknown: run the command again with the same --id, it is done once.";

#[derive(Debug, clap::Args)]
pub(crate) struct ServerOptions {
    /// The server: `http://host:port`, `https://host[:port]`, or `unix:PATH`.
    #[arg(long, env = "LASTRO_URL", value_name = "URL", help_heading = "Server")]
    #[arg(default_value = "http://127.0.0.1:9999")]
    pub(super) url: String,
    /// File with the secret of the key that requests show, for a server with `--keys`.
    #[arg(
        long,
        env = "LASTRO_KEY_FILE",
        value_name = "FILE",
        help_heading = "Server"
    )]
    key_file: Option<PathBuf>,
    /// PEM file with the authorities that may sign the server's certificate; without it those that the machine trusts.
    #[arg(long, env = "LASTRO_CA", value_name = "FILE", help_heading = "Server")]
    ca: Option<PathBuf>,
    /// PEM file with a certificate and its private key, for a server that admits only callers with one.
    #[arg(
        long,
        env = "LASTRO_IDENTITY",
        value_name = "FILE",
        help_heading = "Server"
    )]
    identity: Option<PathBuf>,
    /// How many seconds the command goes on asking while no answer comes.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        help_heading = "Server"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600))]
    within_s: u64,
    /// Prints one JSON object a line, also in a terminal.
    #[arg(long)]
    json: bool,
}

/// A client of the server, and the form of what is printed.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) form: Form,
}

impl ServerOptions {
    pub(super) fn session(&self) -> anyhow::Result<Session> {
        let key = match &self.key_file {
            Some(path) => Some(ClientKey::new(read_secret(path)?)),
            None => None,
        };
        let within = Duration::from_secs(self.within_s);
        let client = Client::with(&ClientOptions {
            key,
            ca_file: self.ca.clone(),
            identity_file: self.identity.clone(),
            retry: Retry {
                within,
                ..Retry::default()
            },
            ..ClientOptions::new(&self.url)
        });
        let client = match client {
            Err(error @ OptionsInvalid::Url(_)) => usage(&error.to_string()),
            made => made?,
        };
        let form = self.form();
        Ok(Session { client, form })
    }

    /// How records are printed.
    pub(super) fn form(&self) -> Form {
        match std::io::stdout().is_terminal() && !self.json {
            true => Form::Table,
            false => Form::Json,
        }
    }
}

/// Ends the process as clap does at a mistake in the command line.
pub(super) fn usage(message: &str) -> ! {
    clap::Error::raw(
        clap::error::ErrorKind::ValueValidation,
        format!("{message}\n"),
    )
    .exit()
}

/// Lets `act` ask the server, and reports what it fails with.
pub(super) fn ask(
    server: &ServerOptions,
    act: impl AsyncFnOnce(&Session) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let session = server.session()?;
    match runtime.block_on(act(&session)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => failure::report(error, &server.url),
    }
}
