//! The bodies of the API, as the reference shows them.

use maud::{Markup, html};
use serde_json::Value;

use super::text;

const REFERENCE: &str = "#/components/schemas/";

/// Every schema, each under its own name.
pub(super) fn all(schemas: &Value) -> Markup {
    html! {
        @for (name, schema) in schemas.as_object().into_iter().flatten() {
            section.card id={ "schema-" (name) } {
                h3 { a href={ "#schema-" (name) } { code { (name) } } }
                (text::paragraphs(string(&schema["description"])))
                @for part in parts(schema) {
                    @if part["properties"].is_object() {
                        (properties(part))
                    } @else {
                        p { (shape(part)) }
                    }
                }
            }
        }
    }
}

/// The schema itself, or those that it is put together from.
fn parts(schema: &Value) -> Vec<&Value> {
    match list(&schema["allOf"]) {
        [] => vec![schema],
        parts => parts.iter().collect(),
    }
}

fn properties(schema: &Value) -> Markup {
    let is_required = |name: &str| list(&schema["required"]).iter().any(|one| one == name);
    html! {
        table {
            thead { tr { th { "name" } th { "type" } th { "meaning" } } }
            tbody {
                @for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                    tr {
                        td { code { (name) } (required(is_required(name))) }
                        td { (shape(property)) }
                        td { (text::paragraphs(string(&property["description"]))) }
                    }
                }
            }
        }
    }
}

/// The mark of what must be there.
pub(super) fn required(is_required: bool) -> Markup {
    html! {
        @if is_required { " " span.required { "required" } }
    }
}

/// What a schema is, in a few words.
pub(super) fn shape(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|to| to.strip_prefix(REFERENCE))
    {
        return html! { a href={ "#schema-" (name) } { code { (name) } } };
    }
    let one_of = list(&schema["oneOf"]);
    if !one_of.is_empty() {
        return any_of(one_of);
    }
    let words = list(&schema["enum"]);
    if !words.is_empty() {
        return html! {
            @for (index, word) in words.iter().enumerate() {
                @if index > 0 { ", " }
                code { (string(word)) }
            }
        };
    }
    if schema["items"].is_object() {
        return html! { "list of " (shape(&schema["items"])) };
    }
    if schema["additionalProperties"].is_object() {
        return html! { "by name: " (shape(&schema["additionalProperties"])) };
    }
    html! {
        (types(&schema["type"]))
        @if let Some(format) = schema["format"].as_str() { " (" (format) ")" }
        @if let Some(pattern) = schema["pattern"].as_str() { " " code { (pattern) } }
        @if !schema["minimum"].is_null() { ", from " (schema["minimum"]) }
        @if !schema["maximum"].is_null() { ", up to " (schema["maximum"]) }
        @if !schema["maxLength"].is_null() { ", at most " (schema["maxLength"]) " characters" }
    }
}

fn any_of(schemas: &[Value]) -> Markup {
    html! {
        @for (index, schema) in schemas.iter().enumerate() {
            @if index > 0 { " or " }
            (shape(schema))
        }
    }
}

fn types(of: &Value) -> String {
    match of {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<_> = names.iter().map(string).collect();
            names.join(" or ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            "any value".to_owned()
        }
    }
}

/// The text; what a description does not have is nothing to read.
pub(super) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
