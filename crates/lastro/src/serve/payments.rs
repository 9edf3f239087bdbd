//! The configuration of payments: processors by `--processor NAME=URL`, more about each in the file.

mod access;
mod callbacks;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use ledger::{Currency, ProcessorName};
use payments::{
    Config, Definite, Policy, ProcessorConfig, ProcessorPolicy, ProcessorUrl, Template,
    TemplateFile,
};
use serde::Deserialize;

use access::HeaderFile;
pub(super) use access::{AccessFiles, open_access};
pub(super) use callbacks::open_callbacks;

/// How much longer than its request's timeout a lease is: what it takes to record a payment as
/// sent, and to get its bytes out.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// Number of accepted payments that a node claims when it shares the ledger with others: they cannot pay
/// these, and have to wait for them when the node dies.
pub(super) const SHARED_WINDOW: usize = 1_024;
/// Each processor is one bit of 64.
const PROCESSORS_MAX: usize = 64;

/// `[[processors]]` in the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcessorFile {
    name: String,
    url: Option<String>,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    headers: BTreeMap<String, HeaderFile>,
    /// A shipped template, or one of the file.
    template: Option<String>,
    #[serde(default)]
    callback_secret_files: Vec<PathBuf>,
    connection_age_max_ms: Option<u64>,
    /// What it takes of each payment, in percent: `"5"`, `"1.25"`.
    cost_percent: Option<String>,
    concurrency_max: Option<usize>,
    rate_max: Option<NonZeroU32>,
    timeout_ms: Option<u64>,
    recorded_within_ms: Option<u64>,
    #[serde(default)]
    definite_5xx: Vec<DefiniteFile>,
    /// `"none"` where it has no health report.
    health_path: Option<String>,
    health_interval_ms: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefiniteFile {
    status: u16,
    #[serde(default)]
    empty_body: bool,
}

/// What only the file can give.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PaymentsFile {
    processors: Vec<ProcessorFile>,
    payments: PaymentsTable,
    templates: BTreeMap<String, TemplateFile>,
}

impl PaymentsFile {
    /// The keys of the file.
    pub(super) const KEYS: &'static [&'static str] = &["processors", "payments", "templates"];

    /// The keys of its tables, as the derived `Deserialize` names them in the error of an unknown one.
    #[cfg(test)]
    pub(super) fn inner_keys() -> Vec<String> {
        let unknown = ["[payments]\nunknown = 0", "[[processors]]\nunknown = 0"];
        let error_of = |text| toml::from_str::<Self>(text).expect_err("an unknown key");
        let keys_of = |text| {
            let error = error_of(text).to_string();
            let (_, expected) = error.split_once("expected").expect("the known keys");
            let quoted = expected.split('`').skip(1).step_by(2);
            quoted.map(str::to_owned).collect::<Vec<_>>()
        };
        unknown.map(keys_of).concat()
    }
}

/// What only the file can give, as the example of it ends.
pub(crate) const FILE_ONLY_EXAMPLE: &str = include_str!("payments/example.toml");

/// `[payments]` in the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentsTable {
    currency: Option<String>,
    delay_max_ms: Option<u64>,
    preferred_wait_ms: Option<u64>,
    deadline_ms: Option<u64>,
}

/// Payments as they are configured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PaymentsConfig {
    /// How they are dispatched.
    pub(super) dispatch: Config,
    /// What each processor is shown, in the same order: read when the server starts.
    pub(super) access: Vec<AccessFiles>,
}

/// Payments as they are dispatched; `None` where there are no processors.
pub(super) fn resolve(
    flags: &[String],
    file: PaymentsFile,
) -> anyhow::Result<Option<PaymentsConfig>> {
    let processors = named(flags, file.processors)?;
    let payments = file.payments;
    let templates = templates(file.templates)?;
    if processors.is_empty() {
        return Ok(None);
    }
    if processors.len() > PROCESSORS_MAX {
        bail!(
            "{} processors are configured, but at most {PROCESSORS_MAX} can be used",
            processors.len()
        );
    }
    let mut policies: Vec<ProcessorPolicy> = Vec::new();
    let (mut configs, mut access) = (Vec::new(), Vec::new());
    for processor in processors {
        let place = format!("processor {:?}", processor.name);
        let (policy, config, files) = of_processor(processor, &templates).context(place)?;
        if policies.iter().any(|other| other.name == policy.name) {
            bail!("processor {} is configured twice", policy.name);
        }
        policies.push(policy);
        configs.push(config);
        access.push(files);
    }
    let millis = |given: Option<u64>, default| Duration::from_millis(given.unwrap_or(default));
    let currency = payments.currency.as_deref().unwrap_or("BRL");
    let dispatch = Config {
        policy: Policy {
            processors: policies,
            currency: Currency::new(currency).with_context(|| {
                format!("currency {currency:?} of [payments]: use a code of ISO 4217, such as BRL")
            })?,
            delay_max: millis(payments.delay_max_ms, 1_200),
            preferred_wait: millis(payments.preferred_wait_ms, 5_000),
            deadline: millis(payments.deadline_ms, 30_000),
            window: 4_096,
            rescan_interval: Duration::from_secs(15),
        },
        processors: configs,
    };
    Ok(Some(PaymentsConfig { dispatch, access }))
}

/// How long the lease lasts under which a node claims payments: no less than that of any request.
pub(super) fn claims_lease(config: &Config) -> Duration {
    let leases = config.policy.processors.iter().map(|policy| policy.lease);
    let Some(longest) = leases.max() else {
        unreachable!("payments are configured only with a processor");
    };
    longest
}

/// The processors of the flags, with what the file says about them; those of the file where there
/// are no flags.
fn named(flags: &[String], file: Vec<ProcessorFile>) -> anyhow::Result<Vec<ProcessorFile>> {
    if flags.is_empty() {
        return Ok(file);
    }
    flags
        .iter()
        .map(|flag| {
            let (name, url) = flag
                .split_once('=')
                .context("--processor has the form NAME=URL")?;
            let known = file
                .iter()
                .find(|processor| processor.name == name)
                .cloned();
            Ok(ProcessorFile {
                name: name.to_owned(),
                url: Some(url.to_owned()),
                ..known.unwrap_or_default()
            })
        })
        .collect()
}

/// The templates of the file, all checked, whether they are used or not.
fn templates(files: BTreeMap<String, TemplateFile>) -> anyhow::Result<BTreeMap<String, Template>> {
    let templates = files.into_iter().map(|(name, file)| {
        if Template::names().any(|shipped| shipped == name) {
            bail!("[templates.{name}] has the name of a shipped template: give it another one");
        }
        let template = file.check();
        let template = template.with_context(|| format!("[templates.{name}]"))?;
        Ok((name, template))
    });
    templates.collect()
}

fn template(name: &str, own: &BTreeMap<String, Template>) -> anyhow::Result<Template> {
    if let Some(template) = own.get(name) {
        return Ok(template.clone());
    }
    Template::named(name).with_context(|| {
        let mut known: Vec<&str> = Template::names().collect();
        known.extend(own.keys().map(String::as_str));
        format!("unknown template {name:?}: use {}", known.join(", "))
    })
}

fn of_processor(
    file: ProcessorFile,
    templates: &BTreeMap<String, Template>,
) -> anyhow::Result<(ProcessorPolicy, ProcessorConfig, AccessFiles)> {
    let url: ProcessorUrl = file.url.as_deref().context("url is missing")?.parse()?;
    let defaults = ProcessorConfig::new(url);
    let millis = |given: Option<u64>, default| given.map_or(default, Duration::from_millis);
    let timeout = millis(file.timeout_ms, defaults.timeout);
    let connection_age_max = millis(file.connection_age_max_ms, defaults.connection_age_max);
    let concurrency_max = file.concurrency_max.unwrap_or(500);
    if timeout.is_zero() || connection_age_max.is_zero() || concurrency_max == 0 {
        bail!("timeout_ms, connection_age_max_ms and concurrency_max must be at least 1");
    }
    if let Some(other) = file
        .definite_5xx
        .iter()
        .find(|d| !(500..=599).contains(&d.status))
    {
        bail!(
            "definite_5xx: {} is not a status of a server error: use 500 to 599",
            other.status
        );
    }
    let template_name = file
        .template
        .unwrap_or_else(|| Template::DEFAULT.to_owned());
    let template = template(&template_name, templates)?;
    let health_path = file
        .health_path
        .unwrap_or_else(|| template.health_path().unwrap_or("none").to_owned());
    let health_interval = Duration::from_millis(file.health_interval_ms.unwrap_or(5_100));
    if health_path != "none" && !health_path.starts_with('/') {
        bail!("health_path must be a path such as /payments/service-health, or none");
    }
    let cost = file.cost_percent.as_deref().unwrap_or("0");
    let cost = payments::minor_units(cost, 2).filter(|basis_points| *basis_points <= 10_000);
    let cost =
        cost.context("cost_percent must be a number from 0 to 100 with at most two decimals")?;
    let policy = ProcessorPolicy {
        name: ProcessorName::new(&file.name)
            .context("the name must have 1 to 32 characters of A-Z a-z 0-9 _ -")?,
        concurrency_max,
        rate_max: file.rate_max,
        lease: timeout + LEASE_MARGIN,
        recorded_within: file.recorded_within_ms.map(Duration::from_millis),
        health_interval: (health_path != "none").then_some(health_interval),
    };
    let files = AccessFiles {
        name: policy.name.clone(),
        access: defaults.access.clone(),
        is_https: defaults.url.is_https(),
        ca: file.ca_file,
        identity: access::identity(file.certificate_file, file.key_file)?,
        headers: access::headers(file.headers)?,
        template: template_name,
        callbacks: callbacks::of_files(file.callback_secret_files)?,
    };
    files.check()?;
    if let Some(name) = files.header_names().find(|name| template.has_id_in(name)) {
        bail!(
            "headers: {name} names the payment in template {}: all payments would have the same. Leave it out",
            files.template
        );
    }
    if policy.recorded_within.is_some() && template.decides_later() {
        bail!(
            "recorded_within_ms cannot be used with template {}, whose processor decides later: what it has not shown \
             by then may still be paid. Leave it out: an operator ends what stays unknown",
            files.template
        );
    }
    let config = ProcessorConfig {
        url: defaults.url,
        access: defaults.access,
        connection_age_max,
        template,
        cost_basis_points: u32::try_from(cost)?,
        timeout,
        definite: file
            .definite_5xx
            .iter()
            .map(|definite| Definite {
                status: definite.status,
                empty_body: definite.empty_body,
            })
            .collect(),
        health_path,
    };
    Ok((policy, config, files))
}

/// The lines of the effective configuration.
pub(super) struct Shown<'a>(pub(super) Option<&'a PaymentsConfig>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(PaymentsConfig {
            dispatch: config,
            access,
        }) = self.0
        else {
            return writeln!(f, "processors      none (no payments)");
        };
        let processors = config.policy.processors.iter().zip(&config.processors);
        for ((policy, processor), access) in processors.zip(access) {
            let cost = payments::decimal_text(processor.cost_basis_points.into(), 2);
            write!(
                f,
                "processor       {} at {}, cost {cost} %, {} at once, timeout {} ms",
                policy.name,
                processor.url,
                policy.concurrency_max,
                processor.timeout.as_millis()
            )?;
            if let Some(rate) = policy.rate_max {
                write!(f, ", {rate} a second")?;
            }
            write!(
                f,
                ", connections for {} ms{access}",
                processor.connection_age_max.as_millis()
            )?;
            match policy.recorded_within {
                Some(within) => write!(f, ", records within {} ms", within.as_millis())?,
                None => write!(f, ", records after any time")?,
            }
            for definite in &processor.definite {
                let empty = if definite.empty_body {
                    " without a body"
                } else {
                    ""
                };
                write!(f, ", {}{empty} is definite", definite.status)?;
            }
            match policy.health_interval {
                Some(interval) => writeln!(
                    f,
                    ", health {} each {} ms",
                    processor.health_path,
                    interval.as_millis()
                )?,
                None => writeln!(f, ", no health report")?,
            }
        }
        let policy = &config.policy;
        writeln!(
            f,
            "payments        in {}, no processor slower than {} ms, {} ms of waiting for a cheaper one, {} ms in all",
            policy.currency,
            policy.delay_max.as_millis(),
            policy.preferred_wait.as_millis(),
            policy.deadline.as_millis()
        )
    }
}

#[cfg(test)]
mod tests;
