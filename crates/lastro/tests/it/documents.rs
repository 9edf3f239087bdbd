//! The console sessions of the README and the guides, run as they are written: each answer must be
//! the one that the page shows, but for times, hashes and ports.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::LastroProcess;

use crate::command_line::in_terminal;

/// The pages with sessions, each a story of its own over a new ledger, from its first session to
/// its last.
const PAGES: &[&str] = &[
    "README.md",
    "docs/guide/transfers.md",
    "docs/guide/backup.md",
    "docs/guide/events.md",
    "docs/guide/command-line.md",
];

/// How a page starts the binary.
const CARGO_RUN: &str = "cargo run --release -- ";
/// How a page asks a running server at the command line: as people do, in a terminal.
const LASTRO: &str = "lastro ";
/// Where a page expects the server.
const ADDRESS: &str = "localhost:9999";

#[test]
fn sessions_of_the_pages_are_true() {
    for page in PAGES {
        let path = root().join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        let steps = steps(page, &text);
        assert!(!steps.is_empty(), "{page} has no session");
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::new(folder.path());
        for step in &steps {
            let answered = ledger.run(&step.command);
            assert_eq!(
                comparable(&answered),
                comparable(&step.answer),
                "{page}, line {}:\n$ {}",
                step.line,
                step.command
            );
        }
    }
}

/// A command of a session with what the page says it prints.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    line: usize,
    command: String,
    answer: String,
}

/// The steps of all sessions of a page. A session is a block of the kind `console`; a command
/// begins with `$ ` and goes on over lines that end with a backslash or within quotes.
fn steps(page: &str, text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_session = false;
    let mut is_command = false;
    for (index, line) in text.lines().enumerate() {
        if !is_session {
            is_session = line == "```console";
            is_command = false;
            continue;
        }
        if line == "```" {
            is_session = false;
            continue;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                line: index + 1,
                command: command.to_owned(),
                answer: String::new(),
            });
            is_command = goes_on(command);
            continue;
        }
        let step = steps.last_mut();
        let step = step.unwrap_or_else(|| panic!("{page}: a session begins with no command"));
        if is_command {
            step.command.push('\n');
            step.command.push_str(line);
            is_command = goes_on(&step.command);
        } else {
            step.answer.push_str(line);
            step.answer.push('\n');
        }
    }
    steps
}

fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}

/// A ledger in a folder, served while commands ask for it.
struct Ledger<'a> {
    folder: &'a Path,
    binary: PathBuf,
    server: Option<LastroProcess>,
}

impl<'a> Ledger<'a> {
    fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            binary: LastroProcess::binary(env!("CARGO_BIN_EXE_lastro")),
            server: None,
        }
    }

    /// What the command prints.
    fn run(&mut self, command: &str) -> String {
        if let Some(arguments) = command.strip_prefix(LASTRO) {
            let line = format!("'{}' {arguments}", self.binary.display());
            let url = self.server().url().to_owned();
            return printed(command, &in_terminal(&line, self.folder, &url));
        }
        let mut shell = Command::new("bash");
        shell.current_dir(self.folder).arg("-c");
        if let Some(arguments) = command.strip_prefix(CARGO_RUN) {
            // The pages stop the server before they look at its folder.
            if let Some(server) = self.server.take() {
                assert!(server.stop().unwrap().success());
            }
            shell.arg(format!("'{}' {arguments}", self.binary.display()));
        } else {
            let url = self.server().url();
            let address = url.trim_start_matches("http://").to_owned();
            assert!(command.contains(ADDRESS), "nobody serves for {command}");
            shell.arg(command.replace(ADDRESS, &address));
        }
        printed(command, &shell.output().unwrap())
    }

    fn server(&mut self) -> &LastroProcess {
        self.server.get_or_insert_with(|| {
            let data_dir = self.folder.join("lastro-data");
            LastroProcess::serve(&self.binary, &data_dir, &["--demo"]).unwrap()
        })
    }
}

/// What a command that has succeeded printed.
fn printed(command: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}\n{said}");
    // A page cannot show that lines of a table, and those of a terminal, end with CR LF.
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.replace("\r\n", "\n")
}

/// The text without what differs from run to run: times of day, hashes, positions of events, and the ids of requests.
pub(crate) fn comparable(text: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-:.".contains(letter);
    let mut kept = String::new();
    let mut rest = text.trim_end();
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|letter| !is_part(letter)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        kept.push_str(before);
        // A head is `5:` and a hash.
        let (sequence, word) = match word.split_once(':') {
            Some((sequence, hash)) if hash.len() == 64 => (sequence, hash),
            _ => ("", word),
        };
        kept.push_str(sequence);
        kept.push_str(match word {
            word if is_time(word) => "<time>",
            word if word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                "<hash>"
            }
            word if word.len() == 48 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                "<position>"
            }
            word if word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                "<request>"
            }
            word => word,
        });
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// Whether it reads like `2026-11-20T11:01:37.863230497Z`.
fn is_time(word: &str) -> bool {
    word.len() > 19 && word.ends_with('Z') && word.as_bytes()[10] == b'T' && word.starts_with("20")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn a_session_is_read_as_it_is_written() {
    let page = "text\n```console\n$ one \\\n    two\nanswer\n$ three -d '{\n}'\n```\n\
                ```sh\n$ no session\n```\n";
    let step = |line, command: &str, answer: &str| Step {
        line,
        command: command.to_owned(),
        answer: answer.to_owned(),
    };
    assert_eq!(
        steps("page", page),
        [
            step(3, "one \\\n    two", "answer\n"),
            step(6, "three -d '{\n}'", ""),
        ]
    );
}

#[test]
fn only_times_and_hashes_may_differ() {
    let text = |time: &str, hash: &str, amount: u8| {
        format!("{{\"amount\":{amount},\"timestamp\":\"{time}\"}} head 5:{hash}\n")
    };
    let first = text("2026-11-20T11:01:37.863230497Z", &"ab".repeat(32), 1);
    let later = text("2026-11-28T01:00:00Z", &"cd".repeat(32), 1);
    assert_eq!(comparable(&first), comparable(&later));
    let other = text("2026-11-28T01:00:00Z", &"cd".repeat(32), 2);
    assert_ne!(comparable(&first), comparable(&other));
}
