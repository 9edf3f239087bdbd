//! The commands that ask a running server: what they print in a terminal and elsewhere, and how they fail.

mod json;
mod mistakes;
mod tables;
mod terminal;

use std::process::{Command, Output};

use crate::support::binary;

pub(crate) use terminal::in_terminal;

/// What `lastro` with these arguments prints and ends with, where standard output is no terminal.
fn run(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env("LASTRO_URL", url);
    command.output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
