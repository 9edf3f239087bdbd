//! Examples of requests and of their answers.
//!
//! `examples.json` has them as a walk through a ledger: each step is a request and what it was answered. A
//! test takes the walk, so every request is one that is accepted and every answer is a real one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::Modify;
use utoipa::openapi::example::Example;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{Content, OpenApi, RefOr, Schema};

use super::operations::operations_of;

/// A request and what it was answered.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// The operation's id in the document.
    operation: String,
    /// The example's name.
    name: String,
    summary: String,
    /// Path and query as they are sent.
    path: String,
    /// The body; `null` if it has none.
    request: Value,
    status: u16,
    /// The answer's body; `null` if it has none.
    answer: Value,
}

/// Gives the operations their examples.
pub(super) struct Examples;

impl Modify for Examples {
    fn modify(&self, document: &mut OpenApi) {
        for step in steps() {
            let mut found = operations_of(document);
            let operation = found
                .find(|(_, operation)| operation.operation_id.as_ref() == Some(&step.operation));
            let Some((template, operation)) = operation else {
                unreachable!("{} is an operation of the document", step.operation);
            };
            add(&step, template, operation);
        }
    }
}

fn steps() -> Vec<Step> {
    let read = serde_json::from_str(include_str!("examples.json"));
    read.expect("a test reads the same bytes")
}

fn add(step: &Step, template: &str, operation: &mut Operation) {
    if let Some(body) = &mut operation.request_body {
        for content in body.content.values_mut() {
            add_to(content, step, &step.request);
        }
    }
    if !step.answer.is_null() {
        let response = operation
            .responses
            .responses
            .get_mut(&step.status.to_string());
        let Some(RefOr::T(response)) = response else {
            unreachable!("{} documents {}", step.operation, step.status);
        };
        for (media_type, content) in &mut response.content {
            // Lines of JSON are no JSON.
            if media_type.ends_with("/json") || media_type.ends_with("+json") {
                add_to(content, step, &step.answer);
            }
        }
    }
    let (path, query) = step.path.split_once('?').unwrap_or((&step.path, ""));
    let in_path: BTreeMap<_, _> = template
        .split('/')
        .zip(path.split('/'))
        .filter_map(|(name, value)| Some((name.strip_prefix('{')?.strip_suffix('}')?, value)))
        .collect();
    let in_query: BTreeMap<_, _> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    for parameter in operation.parameters.iter_mut().flatten() {
        let given = match parameter.parameter_in {
            ParameterIn::Path => in_path.get(&*parameter.name),
            ParameterIn::Query => in_query.get(&*parameter.name),
            ParameterIn::Header | ParameterIn::Cookie => None,
        };
        if let Some(given) = given
            && let Some(RefOr::T(Schema::Object(shape))) = &mut parameter.schema
            && shape.example.is_none()
        {
            let as_number = given.parse::<u64>().ok();
            let value = as_number.filter(|_| parameter.name == "limit");
            shape.example = Some(value.map_or_else(|| Value::from(*given), Value::from));
        }
    }
}

fn add_to(content: &mut Content, step: &Step, value: &Value) {
    let mut example = Example::new();
    example.summary.clone_from(&step.summary);
    example.value = Some(value.clone());
    content.examples.insert(step.name.clone(), example.into());
}
