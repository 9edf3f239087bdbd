//! Lastro: a ledger and payments server in one binary.

mod accounts;
mod backup;
mod bench;
mod client;
mod clock;
mod config;
#[cfg(test)]
mod configuration_page;
mod copy;
mod data_folder;
mod database;
mod environment;
#[cfg(test)]
mod fuzz;
mod health;
mod init;
mod kept_head;
mod keys;
mod last_done;
mod load;
mod log;
mod manual;
#[cfg(test)]
mod metrics_page;
mod migrate;
mod open_payments;
mod outbox_mark;
mod processor;
mod redis;
mod restore;
mod secrets;
mod serve;
mod settings;
mod table;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A ledger and payments server: nothing acknowledged is ever lost, no limit is ever passed.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Begins a ledger in a new folder: `serve` does so only with `--demo`.
    Init(init::InitOptions),
    /// Makes, lists and revokes the keys that callers of `serve --keys` need.
    Key(keys::KeyOptions),
    /// Serves the ledger.
    #[command(after_help = serve::PRECEDENCE)]
    Serve(Box<serve::ServeOptions>),
    /// Asks the process that `lastro serve` with the same flags and variables is, whether it can be used: the
    /// exit code is 0 if it can, else 1.
    Health(Box<health::HealthOptions>),
    /// Checks a configuration, and prints an example of one.
    Config(config::ConfigOptions),
    /// Sends a load to a server, checks every answer, and reports a score.
    Load(load::LoadOptions),
    /// Measures durable transfers per second, and what the disk alone can do.
    Bench(bench::BenchOptions),
    /// Updates the tables of a ledger in a PostgreSQL database, for `serve --engine postgres --no-migrate`.
    Migrate(migrate::MigrateOptions),
    /// Serves a payment processor to test against: the 2025 challenge's, in memory.
    Processor(processor::ProcessorOptions),
    /// Checks a data folder or a ledger in PostgreSQL: the hash chain, and every rule of the ledger.
    Verify(verify::VerifyOptions),
    /// Lists the accounts of a data folder, also while it is served.
    Accounts(accounts::AccountsOptions),
    /// Lists the payments of a data folder that wait, or were sent and are not settled, also while it is served.
    Payments(open_payments::PaymentsOptions),
    #[command(flatten)]
    Client(client::ClientCommand),
    /// Copies a data folder, also while it is served; into the same folder again, only what is new.
    Backup(backup::BackupOptions),
    /// Makes a data folder of a backup: whole, or as it was after a frame or at a time.
    Restore(restore::RestoreOptions),
    /// Copies a ledger from a data folder into PostgreSQL, and compares both at the end. There is no way
    /// back: a ledger in PostgreSQL cannot be copied into a data folder.
    Copy(copy::CopyOptions),
    /// Prints what a shell needs to complete the commands and flags.
    Completion(manual::CompletionOptions),
    /// Writes the manual pages of all commands into a folder: for packages.
    Manual(manual::ManualOptions),
}

/// Every command with its flags.
fn command() -> clap::Command {
    config::hide_flags(Arguments::command())
}

fn main() -> ExitCode {
    let command = command();
    if let Err(error) = environment::check(&command) {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    let matches = command.get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match arguments.command {
        Command::Init(options) => init::run(&options),
        Command::Key(options) => keys::run(&options),
        Command::Serve(options) => serve::run(*options),
        Command::Health(options) => health::run(*options),
        Command::Config(options) => config::run(options),
        Command::Load(options) => load::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Migrate(options) => migrate::run(&options, matches.subcommand()),
        Command::Processor(options) => processor::run(options),
        Command::Verify(options) => verify::run(&options),
        Command::Accounts(options) => accounts::run(&options),
        Command::Payments(options) => open_payments::run(&options),
        Command::Client(command) => client::run(command),
        Command::Backup(options) => backup::run(&options),
        Command::Restore(options) => restore::run(&options),
        Command::Copy(options) => copy::run(&options),
        Command::Completion(options) => manual::complete(&options, self::command()),
        Command::Manual(options) => manual::write(&options, self::command()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
