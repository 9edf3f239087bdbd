//! `GET /docs`: the OpenAPI document as a page.

use std::borrow::Cow;

use maud::{Markup, html};
use serde_json::Value;

use super::schemas::{list, string};
use super::{layout, schemas, text};
use crate::codes::ERRORS_PATH;

/// An operation, and where it is.
struct Operation<'a> {
    method: Cow<'a, str>,
    path: &'a str,
    id: &'a str,
    value: &'a Value,
}

pub(super) fn page(document: &Value) -> Markup {
    let operations = operations_of(document);
    let of_tag = |tag: &Value| {
        let name = tag["name"].clone();
        let is_of_tag = move |operation: &&Operation<'_>| operation.value["tags"][0] == name;
        operations.iter().filter(is_of_tag)
    };
    let tags = || list(&document["tags"]);
    let content = html! {
        h1 { "API" }
        (text::paragraphs(string(&document["info"]["description"])))
        p { "Every code is explained under " a href=(ERRORS_PATH) { "Error codes" } "." }
        nav.toc aria-label="On this page" {
            @for tag in tags() {
                p {
                    strong { (string(&tag["name"])) }
                    @for operation in of_tag(tag) {
                        " " a href={ "#" (operation.id) } { (operation.method) " " (operation.path) }
                    }
                }
            }
            p { strong { "bodies" } " " a href="#bodies" { "every schema" } }
        }
        @for tag in tags() {
            h2 { (string(&tag["name"])) }
            (text::paragraphs(string(&tag["description"])))
            @for operation in of_tag(tag) { (of_operation(operation)) }
        }
        h2 id="bodies" { "bodies" }
        (schemas::all(&document["components"]["schemas"]))
    };
    layout::page("API · Lastro", &content)
}

fn operations_of(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.filter_map(move |(method, value)| {
            let id = value["operationId"].as_str()?;
            let method = Cow::from(method.to_uppercase());
            Some(Operation {
                method,
                path,
                id,
                value,
            })
        })
    });
    operations.collect()
}

fn of_operation(operation: &Operation<'_>) -> Markup {
    let value = operation.value;
    html! {
        section.card id=(operation.id) {
            h3 {
                span.method { (operation.method) }
                a href={ "#" (operation.id) } { code { (operation.path) } }
            }
            p { strong { (text::inline(string(&value["summary"]))) } }
            (text::paragraphs(string(&value["description"])))
            p.note { (key_needed(&value["security"])) }
            @if !list(&value["parameters"]).is_empty() {
                h4 { "Parameters" }
                (parameters(&value["parameters"]))
            }
            @for (media_type, content) in contents(&value["requestBody"]) {
                h4 { "Request" }
                p { (schemas::shape(&content["schema"])) " as " code { (media_type) } }
                (examples(content))
            }
            h4 { "Answers" }
            dl {
                @for (status, response) in value["responses"].as_object().into_iter().flatten() {
                    dt { span.status { (status) } }
                    dd {
                        (text::paragraphs(string(&response["description"])))
                        @for (media_type, content) in contents(response) {
                            @if media_type != "application/problem+json" {
                                p { (schemas::shape(&content["schema"])) " as " code { (media_type) } }
                            }
                            (examples(content))
                        }
                    }
                }
            }
        }
    }
}

fn parameters(parameters: &Value) -> Markup {
    html! {
        table {
            thead { tr { th { "name" } th { "in" } th { "type" } th { "meaning" } } }
            tbody {
                @for parameter in list(parameters) {
                    tr {
                        td { code { (string(&parameter["name"])) } (schemas::required(parameter["required"] == true)) }
                        td { (string(&parameter["in"])) }
                        td { (schemas::shape(&parameter["schema"])) }
                        td { (text::inline(string(&parameter["description"]))) }
                    }
                }
            }
        }
    }
}

/// Which key a route asks for, in words.
fn key_needed(security: &Value) -> Markup {
    let scopes: Vec<_> = list(security)
        .iter()
        .flat_map(|scheme| list(&scheme["key"]))
        .map(string)
        .collect();
    html! {
        @match (list(security).is_empty(), &scopes[..]) {
            (true, _) => { "Needs no key." }
            (false, []) => { "Where the server asks for keys: any key." }
            (false, _) => {
                "Where the server asks for keys: a key with the scope "
                @for (index, scope) in scopes.iter().enumerate() {
                    @if index > 0 { " or " }
                    code { (scope) }
                }
                "."
            }
        }
    }
}

fn examples(content: &Value) -> Markup {
    html! {
        @for (_, example) in content["examples"].as_object().into_iter().flatten() {
            details open[list_is_short(&example["value"])] {
                summary { (string(&example["summary"])) }
                pre { code { (pretty(&example["value"])) } }
            }
        }
    }
}

/// Whether an example is small enough to be shown at once.
fn list_is_short(value: &Value) -> bool {
    pretty(value).lines().count() <= 16
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

fn contents(of: &Value) -> impl Iterator<Item = (&String, &Value)> {
    of["content"].as_object().into_iter().flatten()
}
