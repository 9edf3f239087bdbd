//! Running a chore's steps: each one is announced, timed, and remembered for the summary.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The steps run so far, in order, with how long each took.
#[derive(Default)]
pub(crate) struct Steps {
    finished: Vec<Finished>,
}

struct Finished {
    name: String,
    took: Duration,
    passed: bool,
}

impl Steps {
    /// Runs `step` under `name`, printing the name before and the time after it.
    pub(crate) fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("==> {name}");
        let started = Instant::now();
        let result = step();
        let took = started.elapsed();
        let passed = result.is_ok();
        eprintln!("<== {name}: {}, {}", verdict(passed), seconds(took));
        self.finished.push(Finished {
            name: name.to_owned(),
            took,
            passed,
        });
        result.with_context(|| format!("{name} failed"))
    }

    /// One line per step and the total.
    pub(crate) fn summary(&self) -> String {
        let width = self
            .finished
            .iter()
            .map(|step| step.name.len())
            .max()
            .unwrap_or(0);
        let mut text = String::from("\nSummary\n");
        for Finished { name, took, passed } in &self.finished {
            text.push_str(&format!(
                "  {name:width$}  {:>9}  {}\n",
                seconds(*took),
                verdict(*passed)
            ));
        }
        let total = self.finished.iter().map(|step| step.took).sum();
        text.push_str(&format!("  {:width$}  {:>9}", "total", seconds(total)));
        text
    }
}

fn verdict(passed: bool) -> &'static str {
    if passed { "ok" } else { "FAILED" }
}

/// A duration as people read it: `0.42 s`, `75.30 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// A cargo command in the repository's root, without stdin.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(workspace::cargo());
    command
        .args(arguments)
        .current_dir(workspace::root())
        .stdin(Stdio::null());
    command
}

/// The command as a line that can be pasted into a shell.
pub(crate) fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let settings = command.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        let quote = if value.contains(' ') { "'" } else { "" };
        Some(format!("{}={quote}{value}{quote}", name.to_string_lossy()))
    });
    let words = std::iter::once(name).chain(command.get_args());
    settings
        .chain(words.map(|word| word.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command with its output on this terminal; anything but exit code 0 is an error that shows
/// the command.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let shown = line(command);
    eprintln!("    {shown}");
    let status = command
        .status()
        .with_context(|| format!("could not start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// What a command printed while it ran, and whether it succeeded.
pub(crate) struct Watched {
    /// Both of its outputs in the order they were written, without colours.
    pub(crate) text: String,
    /// Whether it exited with 0.
    pub(crate) success: bool,
}

/// Runs a command, shows everything it prints on `screen` and keeps a copy to learn from.
///
/// Both outputs share one pipe, so their order is kept.
pub(crate) fn watch(command: &mut Command, screen: &mut impl Write) -> Result<Watched> {
    let shown = line(command);
    eprintln!("    {shown}");
    if std::io::stdout().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let (reader, writer) = std::io::pipe().context("could not make a pipe")?;
    command
        .stdout(writer.try_clone().context("could not share a pipe")?)
        .stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("could not start `{shown}`"))?;
    // The command still holds this side's copies of the pipe: without this the reading below would
    // never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let mut text = String::new();
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader
        .read_until(b'\n', &mut bytes)
        .context("could not read a command's output")?
        > 0
    {
        screen
            .write_all(&bytes)
            .and_then(|()| screen.flush())
            .context("could not print")?;
        text.push_str(&without_colours(&String::from_utf8_lossy(&bytes)));
        bytes.clear();
    }
    let success = child
        .wait()
        .context("could not wait for a command")?
        .success();
    Ok(Watched { text, success })
}

/// Drops the terminal's colour sequences (`ESC [ … m`).
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

/// Runs a command without showing what it prints, unless it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<Output> {
    let shown = line(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start `{shown}`"))?;
    if !output.status.success() {
        let (out, complaint) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        bail!("`{shown}` ended with {}\n{out}{complaint}", output.status);
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_dropped() {
        assert_eq!(
            without_colours("\u{1b}[1m\u{1b}[32m  Running\u{1b}[0m it"),
            "  Running it"
        );
        assert_eq!(without_colours("plain [1m]"), "plain [1m]");
    }

    #[test]
    fn both_outputs_are_watched_in_order_and_failure_is_seen() {
        let script = "echo one; echo two >&2; echo three; exit 3";
        let mut screen = Vec::new();
        let watched = watch(Command::new("sh").args(["-c", script]), &mut screen).unwrap();
        assert_eq!(screen, b"one\ntwo\nthree\n");
        assert_eq!(watched.text, "one\ntwo\nthree\n");
        assert!(!watched.success);
    }

    #[test]
    fn a_failing_command_is_an_error_that_shows_it() {
        let error = check(Command::new("false").arg("it").env("A", "b c")).unwrap_err();
        assert!(error.to_string().contains("A='b c' false it"), "{error}");
    }

    #[test]
    fn the_summary_names_every_step_and_the_failed_one() {
        let mut steps = Steps::default();
        steps.run("first", || Ok(())).unwrap();
        let error = steps
            .run("second", || -> Result<()> { bail!("no") })
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "second failed: no");
        let summary = steps.summary();
        assert!(
            summary.contains("first") && summary.contains("ok"),
            "{summary}"
        );
        assert!(
            summary.contains("FAILED") && summary.contains("total"),
            "{summary}"
        );
    }
}
