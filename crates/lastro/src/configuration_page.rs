//! `docs/configuration.md`: every command's flags and variables, made from the code. The test fails
//! when the page differs.

use std::fmt::Write;
use std::path::Path;

use clap::{Arg, Command};

use crate::command;

const START: &str = "# Configuration

This page is made from the code: `LASTRO_UPDATE_GOLDEN=1 cargo test -p lastro configuration_page` writes it.

A setting is taken from its flag. Without the flag it is taken from its variable, without the variable from the
file that `--config` names, and otherwise the default is used. A switch, that is a flag without a value, is on if the flag, the variable
or the file turns it on. The file is TOML; [lastro.toml](../deploy/lastro.toml) is an example with every setting, as `lastro config example`
prints it, and `lastro config check --config FILE` checks one. Each flag of `lastro serve` that has a variable is a key of the file,
except `--config` and `--processor`: the key is the flag's name with `_` in the place of `-`. What only the file has: processors and
payments, described in [payments.md](payments.md) and in [Connecting a processor](guide/processors.md), and [webhooks](guide/webhooks.md). At its start the server prints the configuration in force, without passwords.
";

/// The page.
fn page() -> String {
    let mut page = START.to_owned();
    for command in command().get_subcommands() {
        add(&mut page, "lastro", command);
    }
    page
}

/// A command and its own subcommands.
fn add(page: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string);
    // Writing into a string cannot fail.
    let _ = write!(page, "\n## `{name}`\n");
    if let Some(about) = about {
        let _ = write!(page, "\n{}\n", one_line(&about));
    }
    let shown = |arg: &&Arg| !arg.is_hide_set() && arg.get_id() != "help";
    let mut subjects: Vec<(Option<&str>, Vec<&Arg>)> = Vec::new();
    for argument in command.get_arguments().filter(shown) {
        let heading = argument.get_help_heading();
        match subjects.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, arguments)) => arguments.push(argument),
            None => subjects.push((heading, vec![argument])),
        }
    }
    for (heading, arguments) in subjects {
        add_subject(page, heading, &arguments);
    }
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        add(page, &name, inner);
    }
}

/// The settings of one subject.
fn add_subject(page: &mut String, heading: Option<&str>, arguments: &[&Arg]) {
    if let Some(heading) = heading {
        let _ = write!(page, "\n{heading}:\n");
    }
    page.push_str("\n| flag | variable | what it is |\n|---|---|---|\n");
    for argument in arguments {
        let variable = argument.get_env().map_or_else(String::new, |variable| {
            format!("`{}`", variable.to_string_lossy())
        });
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            cell(&flag(argument)),
            cell(&variable),
            cell(&meaning(argument)),
        );
    }
}

/// `--listen ADDR`, or the name of a value without a flag.
fn flag(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let value = argument.get_value_names().filter(|_| takes_value);
    let value: Vec<&str> = value.into_iter().flatten().map(AsRef::as_ref).collect();
    let value = value.join(" ");
    match argument.get_long() {
        Some(long) if value.is_empty() => format!("`--{long}`"),
        Some(long) => format!("`--{long} {value}`"),
        None => format!("`{value}`"),
    }
}

/// The help, with the default where clap knows it and the help does not name it.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut meaning = one_line(&help.map_or_else(String::new, ToString::to_string));
    let defaults = argument.get_default_values();
    if !defaults.is_empty() && !meaning.contains("[default") {
        let defaults: Vec<_> = defaults
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        let _ = write!(meaning, " [default: {}]", defaults.join(", "));
    }
    meaning
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_page_is_the_one_that_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let current = page();
    if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == current,
        "docs/configuration.md differs from the flags. Where that is meant, run \
         `LASTRO_UPDATE_GOLDEN=1 cargo test -p lastro configuration_page` and commit the file"
    );
}

#[test]
fn every_setting_is_explained() {
    fn check(command: &Command) {
        for argument in command.get_arguments() {
            let (command, id) = (command.get_name(), argument.get_id());
            assert!(
                !meaning(argument).is_empty(),
                "lastro {command}: {id} has no help"
            );
        }
        command.get_subcommands().for_each(check);
    }
    command().get_subcommands().for_each(check);
}
