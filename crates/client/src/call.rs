//! One call: what is sent, and what sending it twice would do.

use std::fmt::Display;
use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// The parameters of a query; those that have no value are not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn with<T: Display + ?Sized>(
        mut self,
        name: &'static str,
        value: Option<&T>,
    ) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    pub(crate) fn pairs(&self) -> &[(&'static str, String)] {
        &self.0
    }
}

/// What sending a call twice does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing, however often.
    Nothing,
    /// It happens once: the server knows it again.
    Once,
    /// It may happen once more, so it is sent again only after attempts that changed nothing.
    EachTime,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The segments of the path.
    pub(crate) path: Vec<String>,
    pub(crate) query: Query,
    pub(crate) body: Option<Value>,
    /// The `Idempotency-Key`, where the body has no place for the id.
    pub(crate) key: Option<Uuid>,
    pub(crate) effect: Effect,
    /// What it is about, for errors, such as `transfer 0193b5a0-…`.
    pub(crate) about: String,
    /// The id to ask with for its outcome.
    pub(crate) id: Option<Uuid>,
    /// How long the server may hold back its answer.
    pub(crate) wait: Duration,
}

impl Call {
    /// A read.
    pub(crate) fn get(path: &[&str], query: Query) -> Self {
        Self {
            method: Method::GET,
            path: path.iter().map(|&segment| segment.to_owned()).collect(),
            query,
            body: None,
            key: None,
            effect: Effect::Nothing,
            about: format!("/{}", path.join("/")),
            id: None,
            wait: Duration::ZERO,
        }
    }

    /// A write that happens once.
    pub(crate) fn post(path: &[&str], about: String, body: &impl Serialize) -> Self {
        let body = serde_json::to_value(body);
        Self {
            method: Method::POST,
            body: Some(body.expect("texts, integers and maps of texts are JSON")),
            effect: Effect::Once,
            about,
            ..Self::get(path, Query::new())
        }
    }

    /// The same, with the id under which the ledger remembers it.
    pub(crate) fn under(mut self, id: Option<Uuid>) -> Self {
        self.id = id;
        self
    }

    /// The same, only to learn what would be answered.
    pub(crate) fn into_dry_run(mut self) -> Self {
        match &mut self.body {
            Some(Value::Object(members)) => members.insert("dry_run".to_owned(), Value::Bool(true)),
            Some(_) | None => unreachable!("the body of every write is an object"),
        };
        self.effect = Effect::Nothing;
        self
    }
}

/// A call that only this crate can make.
#[derive(Debug)]
pub struct Prepared(pub(crate) Call);
