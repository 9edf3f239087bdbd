//! Limits over several processes together, by the kernel's control groups.
//!
//! Every process joins the groups before it becomes its program, so that nothing of it runs outside, not
//! even its first instruction.

mod trees;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use trees::write;
pub use trees::{Tree, Version, trees};

/// Over which time the quota of processor time is counted, in microseconds: Docker's.
const PERIOD_US: u64 = 100_000;
/// How long the kernel may take to let an empty group go.
const REMOVE_BOUND: Duration = Duration::from_secs(5);
/// Joins the groups named before `--`, then becomes the program after it.
const JOIN: &str =
    "while [ \"$1\" != -- ]; do echo $$ >\"$1\" || exit 1; shift; done; shift; exec \"$@\"";

/// What all processes of a group may take together.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Processors, such as 1.5.
    pub cpus: Option<f64>,
    /// Memory in units of 1,048,576 bytes, as `docker` counts.
    pub memory_mb: Option<u64>,
}

/// Groups with limits, one for each controller or one for all. Whatever is still in them is killed
/// and they are removed when this is dropped.
#[derive(Debug)]
pub struct ControlGroup {
    folders: Vec<PathBuf>,
    applied: Vec<String>,
    refused: Vec<String>,
}

impl ControlGroup {
    /// Makes what this user may make; [`Self::description`] says what that was.
    #[must_use]
    pub fn make(name: &str, limits: Limits) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let trees = trees(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        Self::make_in(&trees, name, limits)
    }

    /// The same in these trees.
    #[must_use]
    pub fn make_in(trees: &[Tree], name: &str, limits: Limits) -> Self {
        let mut group = Self {
            folders: Vec::new(),
            applied: Vec::new(),
            refused: Vec::new(),
        };
        for limit in Limit::of(limits) {
            let tree = trees
                .iter()
                .find(|tree| tree.controllers.contains(&limit.controller.to_owned()));
            let done = match tree {
                Some(tree) => group.limit(tree, name, &limit),
                None => Err("this system has no control group for it".to_owned()),
            };
            match done {
                Ok(()) => group.applied.push(limit.text),
                Err(why) => group.refused.push(format!("{} ({why})", limit.text)),
            }
        }
        group
    }

    fn limit(&mut self, tree: &Tree, name: &str, limit: &Limit) -> Result<(), String> {
        let folder = match self
            .folders
            .iter()
            .find(|made| made.starts_with(&tree.root))
        {
            Some(made) => made.clone(),
            None => {
                let made = tree.make(name)?;
                self.folders.push(made.clone());
                made
            }
        };
        let settings = match tree.version {
            Version::One => &limit.settings_1,
            Version::Two => &limit.settings_2,
        };
        for (file, value) in settings {
            write(&folder.join(file), value)?;
        }
        Ok(())
    }

    /// The words that start a program inside; none without a group.
    #[must_use]
    pub fn launcher(&self) -> Vec<OsString> {
        if self.folders.is_empty() {
            return Vec::new();
        }
        let mut words: Vec<OsString> = ["sh", "-c", JOIN, "join"].map(OsString::from).into();
        words.extend(
            self.folders
                .iter()
                .map(|folder| folder.join(PROCESSES).into()),
        );
        words.push("--".into());
        words
    }

    /// One line: which limits hold over all of it, and which do not and why.
    #[must_use]
    pub fn description(&self) -> String {
        let applied = self.applied.join(" and ");
        let refused = self.refused.join(" and ");
        match (self.applied.is_empty(), self.refused.is_empty()) {
            (true, true) => "none".to_owned(),
            (false, true) => format!("{applied} over all of it"),
            (true, false) => format!("NOT APPLIED: {refused}"),
            (false, false) => format!("{applied} over all of it; NOT APPLIED: {refused}"),
        }
    }

    /// Whether every limit that was asked for holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.refused.is_empty()
    }

    /// How many of its processes the kernel has killed because there was no memory left; `None` where it does
    /// not say.
    #[must_use]
    pub fn kills_for_memory(&self) -> Option<u64> {
        // Version 2, then version 1.
        let counts = ["memory.events", "memory.oom_control"];
        let mut paths = self
            .folders
            .iter()
            .flat_map(|folder| counts.map(|file| folder.join(file)));
        paths.find_map(|path| {
            let text = fs::read_to_string(path).ok()?;
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(key, _)| *key == "oom_kill")?.1.parse().ok()
        })
    }

    /// What was used of it: how often it had to wait for processor time, how much memory at most.
    #[must_use]
    pub fn usage(&self) -> Option<String> {
        let read = |file: &str| {
            let mut paths = self.folders.iter().map(|folder| folder.join(file));
            paths.find_map(|path| fs::read_to_string(path).ok())
        };
        let stat = read("cpu.stat").unwrap_or_default();
        let counter = |name: &str| {
            let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(key, _)| *key == name)?.1.parse::<u64>().ok()
        };
        let mut parts = Vec::new();
        if let (Some(periods), Some(throttled)) = (counter("nr_periods"), counter("nr_throttled")) {
            parts.push(format!(
                "throttled in {throttled} of {periods} periods of 100 ms"
            ));
        }
        let peak = read("memory.peak").or_else(|| read("memory.max_usage_in_bytes"));
        if let Some(bytes) = peak.and_then(|text| text.trim().parse::<u64>().ok()) {
            parts.push(format!(
                "at most {} MB of memory, page cache included",
                bytes >> 20
            ));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            let deadline = Instant::now() + REMOVE_BOUND;
            while fs::remove_dir(folder).is_err() && folder.exists() && Instant::now() < deadline {
                kill_all(folder);
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// The file of a group with the ids of its processes.
const PROCESSES: &str = "cgroup.procs";

fn kill_all(folder: &Path) {
    let ids = fs::read_to_string(folder.join(PROCESSES)).unwrap_or_default();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    if !ids.is_empty() {
        // An error means that they are gone already.
        let _ = Command::new("kill").arg("-KILL").args(ids).status();
    }
}

/// One limit, for a person and for each version.
struct Limit {
    controller: &'static str,
    text: String,
    settings_1: Vec<(&'static str, String)>,
    settings_2: Vec<(&'static str, String)>,
}

impl Limit {
    fn of(limits: Limits) -> Vec<Self> {
        let mut all = Vec::new();
        if let Some(cpus) = limits.cpus {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a few processors"
            )]
            let quota_us = (cpus * PERIOD_US as f64) as u64;
            all.push(Self {
                controller: "cpu",
                text: format!("{cpus} CPUs"),
                settings_1: vec![
                    ("cpu.cfs_period_us", PERIOD_US.to_string()),
                    ("cpu.cfs_quota_us", quota_us.to_string()),
                ],
                settings_2: vec![("cpu.max", format!("{quota_us} {PERIOD_US}"))],
            });
        }
        if let Some(memory_mb) = limits.memory_mb {
            let bytes = (memory_mb << 20).to_string();
            all.push(Self {
                controller: "memory",
                text: format!("{memory_mb} MB"),
                settings_1: vec![("memory.limit_in_bytes", bytes.clone())],
                settings_2: vec![("memory.max", bytes)],
            });
        }
        all
    }
}
