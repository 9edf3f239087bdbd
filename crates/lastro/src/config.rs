//! `lastro config`: checks what `lastro serve` would run with, and writes an example of its file.

mod example;

use std::process::ExitCode;

use clap::{Command, Subcommand};

use crate::health;
use crate::serve::{self, ServeOptions};

#[derive(clap::Args)]
pub(crate) struct ConfigOptions {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Checks a configuration and prints what it comes to: takes every flag and variable of
    /// `lastro serve`, starts nothing, and fails where `lastro serve` would refuse it.
    Check(Box<ServeOptions>),
    /// Prints a file with every setting of `lastro serve`, its explanation and its default.
    Example,
}

pub(crate) fn run(options: ConfigOptions) -> anyhow::Result<ExitCode> {
    match options.command {
        ConfigCommand::Check(options) => println!("{}", serve::check(*options)?),
        ConfigCommand::Example => print!("{}", example::text()),
    }
    Ok(ExitCode::SUCCESS)
}

/// `lastro config check` and `lastro health` have the flags of `lastro serve`: they are explained there, once.
pub(crate) fn hide_flags(command: Command) -> Command {
    let hide = |check: Command| check.mut_args(|flag| flag.hide(true));
    let hide_others = |health: Command| {
        health.mut_args(|flag| {
            let is_own = flag.get_help_heading() == Some(health::HEADING);
            flag.hide(!is_own)
        })
    };
    command
        .mut_subcommand("config", |config| config.mut_subcommand("check", hide))
        .mut_subcommand("health", hide_others)
}
