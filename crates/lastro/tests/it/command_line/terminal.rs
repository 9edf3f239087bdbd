//! A terminal, as `script` of util-linux makes it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs a line of a shell whose standard output and error are a terminal; both are in the output.
pub(crate) fn in_terminal(line: &str, folder: &Path, url: &str) -> Output {
    let mut command = Command::new(testkit::servers::program("script").unwrap());
    command
        .args(["--quiet", "--return", "--command", line, "/dev/null"])
        .env("SHELL", "/bin/bash")
        .env("NO_COLOR", "1")
        .env("LASTRO_URL", url)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It types the end of its input into the terminal: held open until the line is done.
    let input = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(input);
    output
}
