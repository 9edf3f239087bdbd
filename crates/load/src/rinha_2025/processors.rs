//! The two processors: started or given, set to stages, summed up.

use anyhow::{Context, bail};
use jiff::Timestamp;
use processor::{ProcessorSettings, Running};

use super::face::{Face, Money, Pair, ProcessorSummary, Side};
use super::script::{Condition, Stage};
use super::{Processors, Rinha2025Options, Script};
use crate::http::HttpFailure;
use crate::target::Target;

/// Both processors' faces.
pub(super) struct Sides {
    pub(super) faces: Pair<Face>,
    pub(super) urls: Pair<String>,
    /// Those that were started here; they end with this.
    _own: Vec<Running>,
}

impl Sides {
    /// Starts the processors where none are given.
    pub(super) fn start(options: &Rinha2025Options) -> anyhow::Result<Self> {
        let token = &options.token;
        let mut own = Vec::new();
        let mut start = |name: &str, address, script: &Script| -> anyhow::Result<Target> {
            let mut settings = ProcessorSettings::official(name);
            settings.token.clone_from(token);
            settings.fee = script.fees[own.len()];
            let running = Running::start(address, settings).with_context(|| {
                format!(
                    "cannot start the processor {name} at {address}; one that runs already is \
                     named with --processors"
                )
            })?;
            let target = Target::at(running.address())?;
            own.push(running);
            Ok(target)
        };
        let (default, fallback) = match &options.processors {
            Processors::Given { default, fallback } => (default.clone(), fallback.clone()),
            Processors::Own { default, fallback } => (
                start("default", *default, &options.script)?,
                start("fallback", *fallback, &options.script)?,
            ),
        };
        Ok(Self {
            urls: Pair {
                default: default.to_string(),
                fallback: fallback.to_string(),
            },
            faces: Pair {
                default: Face::new(default, Some(token.clone())),
                fallback: Face::new(fallback, Some(token.clone())),
            },
            _own: own,
        })
    }

    /// Both with their names.
    pub(super) fn named(&self) -> [(&'static str, &Face); 2] {
        [
            ("default", &self.faces.default),
            ("fallback", &self.faces.fallback),
        ]
    }

    /// Empties both and makes them healthy.
    pub(super) async fn prepare(&self) -> anyhow::Result<()> {
        for (name, face) in self.named() {
            let purged = face.tell("POST", "/admin/purge-payments", "").await;
            match purged.with_context(|| format!("the processor {name} does not answer"))? {
                200 => {}
                401 => bail!("the processor {name} has another token: say --token"),
                other => bail!("the processor {name} answers {other} to being purged"),
            }
        }
        if !self.make_healthy().await {
            bail!("the processors do not take their configuration");
        }
        Ok(())
    }

    /// Both without delay or failure; `false` when they did not take it.
    pub(super) async fn make_healthy(&self) -> bool {
        let healthy = Condition {
            delay_ms: 0,
            is_failing: false,
        };
        self.set(&Stage {
            at_s: 0,
            default: healthy,
            fallback: healthy,
        })
        .await
    }

    /// Sets both to a stage; `false` when they did not take it.
    pub(super) async fn set(&self, stage: &Stage) -> bool {
        let (default, fallback) = tokio::join!(
            configure(&self.faces.default, stage.default),
            configure(&self.faces.fallback, stage.fallback)
        );
        matches!((default, fallback), (Ok((200, 200)), Ok((200, 200))))
    }

    /// What both have recorded of what was requested within a range.
    pub(super) async fn totals(&self, range: &str) -> Result<Pair<Total>, HttpFailure> {
        let path = format!("/admin/payments-summary{range}");
        let (default, fallback) = tokio::join!(
            self.faces.default.get::<ProcessorSummary>(&path),
            self.faces.fallback.get::<ProcessorSummary>(&path)
        );
        Ok(Pair {
            default: total(default?)?,
            fallback: total(fallback?)?,
        })
    }
}

fn total((_, summary): (u16, Option<ProcessorSummary>)) -> Result<Total, HttpFailure> {
    let summary = summary.ok_or(HttpFailure::Malformed)?;
    Ok(Total {
        side: summary.side(),
        fee: summary.fee,
    })
}

/// What a processor has recorded, and its share of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Total {
    pub(super) side: Side,
    pub(super) fee: Money,
}

async fn configure(face: &Face, condition: Condition) -> Result<(u16, u16), HttpFailure> {
    let delay = format!(r#"{{"delay":{}}}"#, condition.delay_ms);
    let failure = format!(r#"{{"failure":{}}}"#, condition.is_failing);
    let delay = face
        .tell("PUT", "/admin/configurations/delay", &delay)
        .await?;
    let failure = face
        .tell("PUT", "/admin/configurations/failure", &failure)
        .await?;
    Ok((delay, failure))
}

/// The query of a range of time, in milliseconds.
pub(super) fn range(from: Timestamp, to: Timestamp) -> String {
    let text = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    format!("?from={}&to={}", text(from), text(to))
}
