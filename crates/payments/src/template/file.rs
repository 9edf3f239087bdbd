//! The description of a template as it is written, and its check: everything that can be wrong is found at the
//! start, before a payment is sent.

use std::collections::BTreeMap;
use std::str::FromStr;

use hyper::Method;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use ledger::PaymentId;
use serde::Deserialize;

use super::amount::{AmountField, AmountUnit};
use super::field::{FieldPath, TimeField, TimeFormat};
use super::rule::{Rule, Rules, Statuses};
use super::text::{Text, TextInvalid, Values};
use super::{Call, LookupMeaning, RequestMeaning, Template};

/// Headers that belong to the request itself.
const RESERVED: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

/// Whether a header belongs to the request itself: nobody else may set it.
#[must_use]
pub fn is_reserved(header: &HeaderName) -> bool {
    RESERVED.contains(header)
}

/// A template as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateFile {
    health_path: Option<String>,
    request: RequestFile,
    lookup: LookupFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestFile {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
    answers: Vec<RuleFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LookupFile {
    method: Option<String>,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    answers: Vec<RuleFile>,
    amount: AmountFile,
    requested_at: TimeFile,
    id_field: Option<String>,
    currency_field: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    status: String,
    field: Option<String>,
    is: Option<Vec<String>>,
    means: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountFile {
    field: String,
    unit: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeFile {
    field: String,
    format: String,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct TemplateInvalid {
    /// Where in the template.
    place: &'static str,
    /// What is wrong there.
    fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("{given:?} cannot be used here: use {expected}")]
    Unknown {
        given: String,
        expected: &'static str,
    },
    #[error(
        "a path begins with a slash and has visible ASCII characters only, such as /payments/{{id}}"
    )]
    Path,
    #[error("{0}")]
    Text(TextInvalid),
    #[error("{0:?} is not a header that a template can set")]
    Header(String),
    #[error(
        "without {{id}} in the path, the headers or the body it does not say which payment it is about"
    )]
    NoId,
    #[error(
        "without an amount in the body the processor does not know what to pay: use {{amount}} or {{amount_minor}}"
    )]
    NoAmount,
    #[error("{0:?} is not a field: names with points between them, such as data.status")]
    Field(String),
    #[error("status {0:?} must be a status from 200 to 599, or a class such as 2xx")]
    Status(String),
    #[error("field and is belong together: the field has one of these texts")]
    HalfField,
    #[error("status {status} cannot mean {means}: that needs {expected}")]
    StatusOfMeaning {
        status: String,
        means: &'static str,
        expected: &'static str,
    },
    #[error("no answer means {0}")]
    Missing(&'static str),
}

/// A meaning in the file: its name, and which classes of statuses can have it.
struct Named<M: 'static> {
    name: &'static str,
    means: M,
    classes: &'static [u16],
    /// The same in words.
    needs: &'static str,
}

const ANY: &str = "a status from 200 to 599";
const GOOD: &str = "2xx";
const BAD: &str = "4xx or 5xx";
const ANSWERED: &str = "2xx or 4xx";

const REQUEST_MEANINGS: [Named<RequestMeaning>; 9] = [
    named("recorded", RequestMeaning::Recorded, &[2], GOOD),
    named(
        "already_recorded",
        RequestMeaning::AlreadyRecorded,
        &[2, 4],
        ANSWERED,
    ),
    named("pending", RequestMeaning::Pending, &[2], GOOD),
    named("declined", RequestMeaning::Declined, &[2, 4], ANSWERED),
    named("not_recorded", RequestMeaning::NotRecorded, &[4, 5], BAD),
    named("not_yet", RequestMeaning::NotYet, &[4, 5], BAD),
    named("busy", RequestMeaning::Busy, &[4, 5], BAD),
    named("misdirected", RequestMeaning::Misdirected, &[4], "4xx"),
    named("unknown", RequestMeaning::Unknown, &[2, 3, 4, 5], ANY),
];
const REQUEST_NAMES: &str = "recorded, already_recorded, pending, declined, not_recorded, not_yet, busy, misdirected or \
                             unknown";

const LOOKUP_MEANINGS: [Named<LookupMeaning>; 4] = [
    named("recorded", LookupMeaning::Recorded, &[2], GOOD),
    named("pending", LookupMeaning::Pending, &[2], GOOD),
    named("declined", LookupMeaning::Declined, &[2], GOOD),
    named("absent", LookupMeaning::Absent, &[2, 4], ANSWERED),
];
const LOOKUP_NAMES: &str = "recorded, pending, declined or absent";

const fn named<M: Copy>(
    name: &'static str,
    means: M,
    classes: &'static [u16],
    needs: &'static str,
) -> Named<M> {
    Named {
        name,
        means,
        classes,
        needs,
    }
}

impl TemplateFile {
    /// The template, if all of it can be used.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and how to write it.
    pub fn check(self) -> Result<Template, TemplateInvalid> {
        let (request, lookup) = (self.request, self.lookup);
        let in_request = |fault| at("request", fault);
        let in_lookup = |fault| at("lookup", fault);
        if let Some(path) = &self.health_path {
            check_path(path).map_err(|fault| at("health_path", fault))?;
        }
        let has_amount = ["{amount}", "{amount_minor}"];
        if !has_amount.iter().any(|name| request.body.contains(name)) {
            return Err(in_request(Fault::NoAmount));
        }
        let method = one_of(&request.method, &["POST", "PUT"], "POST or PUT");
        let of_request = CallFile {
            method: method.map_err(in_request)?,
            path: request.path,
            headers: request.headers,
            body: Some(request.body),
            has_payment: true,
        };
        let method = lookup.method.as_deref().unwrap_or("GET");
        let method = one_of(method, &["GET", "POST"], "GET or POST");
        let of_lookup = CallFile {
            method: method.map_err(in_lookup)?,
            path: lookup.path,
            headers: lookup.headers,
            body: lookup.body,
            has_payment: false,
        };
        let answers = rules(request.answers, &REQUEST_MEANINGS, REQUEST_NAMES, true);
        let answers = answers.map_err(|fault| at("request.answers", fault))?;
        let findings = rules(lookup.answers, &LOOKUP_MEANINGS, LOOKUP_NAMES, false);
        let in_findings = |fault| at("lookup.answers", fault);
        let findings = findings.map_err(in_findings)?;
        for (means, name) in [
            (LookupMeaning::Recorded, "recorded"),
            (LookupMeaning::Absent, "absent"),
        ] {
            if !findings.0.iter().any(|rule| rule.means == means) {
                return Err(in_findings(Fault::Missing(name)));
            }
        }
        let unit = match &*lookup.amount.unit {
            "decimal" => AmountUnit::Decimal,
            "minor" => AmountUnit::Minor,
            other => return Err(at("lookup.amount", unknown(other, "decimal or minor"))),
        };
        let format = match &*lookup.requested_at.format {
            "rfc3339" => TimeFormat::Rfc3339,
            "unix_s" => TimeFormat::UnixSeconds,
            "unix_ms" => TimeFormat::UnixMillis,
            other => {
                let fault = unknown(other, "rfc3339, unix_s or unix_ms");
                return Err(at("lookup.requested_at", fault));
            }
        };
        let optional = |place, text: Option<String>| match text {
            Some(text) => field(&text).map(Some).map_err(|fault| at(place, fault)),
            None => Ok(None),
        };
        Ok(Template {
            health_path: self.health_path,
            request: of_request.check().map_err(in_request)?,
            answers,
            lookup: of_lookup.check().map_err(in_lookup)?,
            findings,
            amount: AmountField {
                field: field(&lookup.amount.field).map_err(|fault| at("lookup.amount", fault))?,
                unit,
            },
            requested_at: TimeField {
                field: field(&lookup.requested_at.field)
                    .map_err(|fault| at("lookup.requested_at", fault))?,
                format,
            },
            id: optional("lookup.id_field", lookup.id_field)?,
            currency: optional("lookup.currency_field", lookup.currency_field)?,
        })
    }
}

const fn at(place: &'static str, fault: Fault) -> TemplateInvalid {
    TemplateInvalid { place, fault }
}

fn unknown(given: &str, expected: &'static str) -> Fault {
    Fault::Unknown {
        given: given.to_owned(),
        expected,
    }
}

fn one_of(given: &str, allowed: &[&str], expected: &'static str) -> Result<Method, Fault> {
    let method = Method::from_str(given).ok();
    let method = method.filter(|_| allowed.contains(&given));
    method.ok_or_else(|| unknown(given, expected))
}

fn check_path(path: &str) -> Result<(), Fault> {
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    match is_path && !path.contains('#') {
        true => Ok(()),
        false => Err(Fault::Path),
    }
}

fn field(text: &str) -> Result<FieldPath, Fault> {
    FieldPath::new(text).ok_or_else(|| Fault::Field(text.to_owned()))
}

/// A call as it is written.
struct CallFile {
    method: Method,
    path: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    /// Whether more of the payment than its id can be in the body.
    has_payment: bool,
}

impl CallFile {
    fn check(self) -> Result<Call, Fault> {
        check_path(&self.path)?;
        let texts = self.headers.values().chain([&self.path]).chain(&self.body);
        if !texts.into_iter().any(|text| text.contains("{id}")) {
            return Err(Fault::NoId);
        }
        let headers = self.headers.into_iter().map(|(name, text)| {
            let invalid = || Fault::Header(name.clone());
            let parsed: HeaderName = name.parse().map_err(|_| invalid())?;
            if is_reserved(&parsed) || HeaderValue::from_str(&text).is_err() {
                return Err(invalid());
            }
            Ok((parsed, Text::of_id(&text).map_err(Fault::Text)?))
        });
        let body = match &self.body {
            Some(text) => Some(Text::of_json(text, self.has_payment).map_err(Fault::Text)?),
            None => None,
        };
        let path = Text::of_id(&self.path).map_err(Fault::Text)?;
        let sample = path.fill(&Values::of_id(PaymentId::from_u128(1)));
        let is_path = sample.is_some_and(|sample| {
            // What is left in braces was meant to be a placeholder.
            !sample.contains(['{', '}']) && sample.parse::<PathAndQuery>().is_ok()
        });
        if !is_path {
            return Err(Fault::Path);
        }
        Ok(Call {
            method: self.method,
            path,
            headers: headers.collect::<Result<_, _>>()?,
            body,
        })
    }
}

fn rules<M: Copy>(
    files: Vec<RuleFile>,
    meanings: &'static [Named<M>],
    names: &'static str,
    is_request: bool,
) -> Result<Rules<M>, Fault> {
    let rules = files.into_iter().map(|file| {
        let known = meanings.iter().find(|known| known.name == file.means);
        let known = known.ok_or_else(|| unknown(&file.means, names))?;
        let statuses = Statuses::new(&file.status);
        let statuses = statuses.ok_or_else(|| Fault::Status(file.status.clone()))?;
        if !statuses.are_within(known.classes) {
            return Err(Fault::StatusOfMeaning {
                status: file.status,
                means: known.name,
                expected: known.needs,
            });
        }
        let field = match (file.field, file.is) {
            (Some(path), Some(texts)) if !texts.is_empty() => Some((field(&path)?, texts)),
            (None, None) => None,
            (Some(_), Some(_) | None) | (None, Some(_)) => return Err(Fault::HalfField),
        };
        Ok(Rule {
            statuses,
            // A request that is good by its status alone may still say in its body that it is not.
            is_unless_failure: is_request && field.is_none() && statuses.are_within(&[2]),
            field,
            means: known.means,
        })
    });
    rules.collect::<Result<_, _>>().map(Rules)
}
