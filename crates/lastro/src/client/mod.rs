//! The commands that ask a running server: `lastro account`, `transfer`, `statement` and the others.
//!
//! A command prints tables in a terminal, with amounts as decimals of their currency, and elsewhere or with `--json` one
//! JSON object a line, with amounts in minor units, as the API has them. Notes and errors go to standard error. The exit
//! code is 0 for success, 1 for a refusal or another failure, 2 for a mistake in the command line, 3 where an
//! outcome is unknown: then the same command with the same `--id` asks for it.

mod account;
mod balance;
mod balances;
mod events;
mod failure;
mod fields;
mod given;
mod money;
mod output;
mod payment;
mod server;
mod statement;
mod transfer;
mod transfers;

use std::process::ExitCode;

pub(crate) use account::AccountOptions;
pub(crate) use balance::BalanceOptions;
pub(crate) use balances::BalancesOptions;
pub(crate) use events::EventsOptions;
pub(crate) use payment::PaymentOptions;
pub(crate) use statement::StatementOptions;
pub(crate) use transfer::{PostOptions, ReverseOptions, TransferOptions, VoidOptions};
pub(crate) use transfers::TransfersOptions;

use server::EXIT_CODES;

/// A command that asks a server.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ClientCommand {
    /// Opens, shows, lists and changes accounts of a running server.
    Account(AccountOptions),
    /// Moves money from one account to another; with `--pend` only reserves it.
    #[command(after_help = EXIT_CODES)]
    Transfer(TransferOptions),
    /// Lists the transfers of an account, or those with a reference, the newest first.
    Transfers(TransfersOptions),
    /// Posts a pending transfer: its money moves.
    #[command(after_help = EXIT_CODES)]
    Post(PostOptions),
    /// Voids a pending transfer: what it reserves is released.
    #[command(after_help = EXIT_CODES)]
    Void(VoidOptions),
    /// Moves back what a transfer has moved, in full or in part.
    #[command(after_help = EXIT_CODES)]
    Reverse(ReverseOptions),
    /// Shows the entries of an account, the newest first.
    #[command(after_help = EXIT_CODES)]
    Statement(StatementOptions),
    /// Shows the balance of an account as it was at a time, or right after a transfer.
    #[command(after_help = EXIT_CODES)]
    Balance(BalanceOptions),
    /// Shows a trial balance: what every account held at one moment, and the sums by currency.
    Balances(BalancesOptions),
    /// Shows what the ledger decided, in its order; with `--follow` also what it decides from now on.
    #[command(after_help = EXIT_CODES)]
    Events(EventsOptions),
    /// Makes payments, shows one, and lists them.
    Payment(PaymentOptions),
}

pub(crate) fn run(command: ClientCommand) -> anyhow::Result<ExitCode> {
    match command {
        ClientCommand::Account(options) => account::run(&options),
        ClientCommand::Transfer(options) => transfer::transfer(options),
        ClientCommand::Transfers(options) => transfers::run(&options),
        ClientCommand::Post(options) => transfer::post(&options),
        ClientCommand::Void(options) => transfer::void(&options),
        ClientCommand::Reverse(options) => transfer::reverse(options),
        ClientCommand::Statement(options) => statement::run(&options),
        ClientCommand::Balance(options) => balance::run(&options),
        ClientCommand::Balances(options) => balances::run(&options),
        ClientCommand::Events(options) => events::run(&options),
        ClientCommand::Payment(options) => payment::run(options),
    }
}
