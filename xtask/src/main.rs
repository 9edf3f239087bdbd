//! The project's own chores: `cargo xtask lint`, `test`, `simulate`, `stack`, `bench`,
//! `package`, `fuzz`.
//!
//! Everything a contributor or the continuous integration runs is one of these commands, so that
//! both run the same thing. Nothing of this crate is part of the server.

mod bench;
mod busy;
mod chores;
mod containers;
mod package;
mod run;
mod seeds;
mod stack;
mod suites;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The project's own chores"
)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Format, tidy, clippy and documentation, without a warning.
    Lint,
    /// Only the house rules of `lint`: no compilation, takes well under a second.
    Tidy,
    /// Every test of the workspace, with the tools they need.
    Test(chores::test::Options),
    /// Installs the programs that tests and chores start, as far as they are missing.
    Tools,
    /// Starts a way to deploy natively: proxy, nodes and databases of `deploy/<profile>`.
    Stack(stack::Options),
    /// The standard measurements, with the baseline of the same run beside them.
    Bench(bench::Options),
    /// Every reader of foreign bytes on mutated inputs, for a time.
    Fuzz(chores::fuzz::Options),
    /// Strangers at full scale beside a caller that wants to be served, over the release binary: prints its
    /// latencies and the server's memory.
    Hostile,
    /// Archive, Debian package, bill of materials and checksums in `target/package`.
    Package(package::Options),
    /// Writes the compose files of profiles, `deploy/<profile>/compose.yaml` and those beside it.
    Compose(containers::ComposeOptions),
    /// Starts profiles in containers, drives them with their official load, and takes them down.
    Containers(containers::ContainersOptions),
    /// Makes sure that the images of the compose files are here: public ones, or stand-ins of Debian's packages.
    Images(containers::ImagesOptions),
    /// Thousands of simulated crashes of the journal and of the embedded engine.
    Simulate(chores::simulate::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Lint => chores::lint::run(),
        Chore::Tidy => chores::lint::tidy(),
        Chore::Test(options) => chores::test::run(&options),
        Chore::Tools => tools::run(),
        Chore::Stack(options) => stack::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Fuzz(options) => chores::fuzz::run(&options),
        Chore::Hostile => chores::hostile::run(),
        Chore::Package(options) => package::run(&options),
        Chore::Compose(options) => containers::compose(&options),
        Chore::Containers(options) => containers::containers(&options),
        Chore::Images(options) => containers::images(&options),
        Chore::Simulate(options) => chores::simulate::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
