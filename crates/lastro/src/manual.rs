//! `lastro completion` and `lastro manual`: what shells and `man` show, made from the commands.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;

#[derive(clap::Args)]
pub(crate) struct CompletionOptions {
    /// Shell that the completion is for.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(clap::Args)]
pub(crate) struct ManualOptions {
    /// Folder that the pages are written to, such as `lastro-serve.1`. It has to exist.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(crate) fn complete(
    options: &CompletionOptions,
    mut command: Command,
) -> anyhow::Result<ExitCode> {
    clap_complete::generate(
        options.shell,
        &mut command,
        "lastro",
        &mut std::io::stdout(),
    );
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn write(options: &ManualOptions, command: Command) -> anyhow::Result<ExitCode> {
    let place = options.to.display();
    clap_mangen::generate_to(command, &options.to)
        .with_context(|| format!("cannot write the manual pages to {place}"))?;
    Ok(ExitCode::SUCCESS)
}
