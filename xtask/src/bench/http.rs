//! `lastro load capacity`: the highest rate over HTTP, and that of a bare handler.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::effort::Effort;
use super::figures::{Sample, Subject};
use crate::run;
use crate::stack::{Place, Profile, Stack, get};

/// Moves the profile to ports where nobody is expected.
const PORT_OFFSET: u16 = 15_000;
const UNIT: &str = "requests/s";

/// How the load's JSON names a curve, and what it is called here.
const SUBJECTS: [(&str, &str, Subject); 4] = [
    (
        "target",
        "kept_alive",
        Subject {
            name: "http_keep_alive",
            text: "HTTP, connections kept alive",
            unit: UNIT,
            baseline: Some("http_keep_alive_bare"),
        },
    ),
    (
        "bare",
        "kept_alive",
        Subject {
            name: "http_keep_alive_bare",
            text: "HTTP, connections kept alive, bare handler",
            unit: UNIT,
            baseline: None,
        },
    ),
    (
        "target",
        "new",
        Subject {
            name: "http_new",
            text: "HTTP, a connection per request",
            unit: UNIT,
            baseline: Some("http_new_bare"),
        },
    ),
    (
        "bare",
        "new",
        Subject {
            name: "http_new_bare",
            text: "HTTP, a connection per request, bare handler",
            unit: UNIT,
            baseline: None,
        },
    ),
];

/// Deploys one process, fresh, and looks for its capacity.
pub(super) fn measure(binary: &Path, effort: &Effort, folder: &Path) -> Result<Vec<Sample>> {
    let data = tempfile::tempdir_in(folder)?;
    let profile = Profile::read("single")?.moved_by(PORT_OFFSET)?;
    let stack = Stack::start(&profile, binary, Place::named(data.path())?)?;
    let durability = durability(&profile.ready)?;
    let json = folder.join("capacity.json");
    let mut load = Command::new(binary);
    load.args(["load", "capacity", "--bare", "--target", &profile.url])
        .args(["--seconds", &effort.http_step_seconds.to_string()])
        .arg("--json")
        .arg(&json);
    let shown = run::line(&load);
    eprintln!("    {shown}");
    let output = load.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("could not start `{shown}`"))?;
    // It also fails when no rate held; then it has written what it saw all the same.
    let text = std::fs::read_to_string(&json).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("`{shown}` ended with {}\n{said}", output.status)
    })?;
    std::fs::remove_file(&json)?;
    stack.stop()?;
    read(&text, &durability)
}

/// What the server itself says that its answers wait for.
fn durability(ready: &str) -> Result<String> {
    let (_, body) = get(ready).context("the server is ready and does not say so")?;
    let body: serde_json::Value = serde_json::from_str(&body)?;
    let durability = body.get("durability").and_then(serde_json::Value::as_str);
    durability
        .map(str::to_owned)
        .with_context(|| format!("{body} tells no durability"))
}

#[derive(Deserialize)]
struct Said {
    curves: Vec<Curve>,
}

#[derive(Deserialize)]
struct Curve {
    subject: String,
    connections: String,
    capacity_per_s: Option<f64>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn read(json: &str, durability: &str) -> Result<Vec<Sample>> {
    let said: Said = serde_json::from_str(json).context("the load wrote other JSON")?;
    let sample = |(name, connections, subject): &(&str, &str, Subject)| {
        let mut curves = said.curves.iter();
        let curve = curves
            .find(|curve| curve.subject == *name && curve.connections == *connections)
            .with_context(|| format!("the load's JSON lacks the curve {name}, {connections}"))?;
        // The last trial of the rate that held.
        let mut steps = curve.steps.iter().rev();
        let step = curve
            .capacity_per_s
            .and_then(|capacity| steps.find(|step| (step.rate - capacity).abs() < 0.5));
        Ok(Sample {
            subject: *subject,
            durability: if *name == "bare" { "none" } else { durability }.to_owned(),
            per_s: curve.capacity_per_s,
            p50_us: step.map(|step| step.p50_ms * 1e3),
            p99_us: step.map(|step| step.p99_ms * 1e3),
        })
    };
    SUBJECTS.iter().map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curves_are_read() {
        let step = r#"{"rate": 2000, "p50_ms": 0.1, "p99_ms": 0.2}"#;
        let curve = |subject: &str, connections: &str, capacity: &str| {
            format!(
                r#"{{"subject": "{subject}", "connections": "{connections}",
                    "capacity_per_s": {capacity}, "steps": [{step}]}}"#
            )
        };
        let curves = [
            curve("bare", "new", "2000"),
            curve("bare", "kept_alive", "2000"),
            curve("target", "new", "2000"),
            curve("target", "kept_alive", "null"),
        ];
        let json = format!(r#"{{"curves": [{}]}}"#, curves.join(","));
        let samples = read(&json, "disk").unwrap();
        let seen: Vec<_> = samples
            .iter()
            .map(|sample| (sample.subject.name, sample.per_s, &*sample.durability))
            .collect();
        assert_eq!(
            seen,
            [
                ("http_keep_alive", None, "disk"),
                ("http_keep_alive_bare", Some(2_000.0), "none"),
                ("http_new", Some(2_000.0), "disk"),
                ("http_new_bare", Some(2_000.0), "none"),
            ]
        );
        assert_eq!((samples[0].p99_us, samples[1].p99_us), (None, Some(200.0)));
        let error = read(r#"{"curves": []}"#, "disk").unwrap_err();
        assert!(error.to_string().contains("target, kept_alive"));
    }
}
