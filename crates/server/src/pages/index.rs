//! `GET /`: what this server is.

use maud::{Markup, html};
use serde::Serialize;

use super::layout::{self, VERSION};
use crate::codes::ERRORS_PATH;

const DESCRIPTION: &str = "A durable double-entry ledger and payments server.";

/// What a server is, and where its documentation is.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct IndexView {
    #[schema(example = "Lastro")]
    name: &'static str,
    /// The version of the server.
    #[schema(example = "0.1.0")]
    version: &'static str,
    description: &'static str,
    links: Links,
}

/// Paths of this server.
#[derive(Serialize, utoipa::ToSchema)]
struct Links {
    /// The reference of the API, for people.
    #[schema(example = "/docs")]
    docs: &'static str,
    /// The error codes, for people.
    #[schema(example = "/docs/errors")]
    errors: &'static str,
    /// The OpenAPI document; it needs a key where the server asks for keys.
    #[schema(example = "/openapi.json")]
    openapi: &'static str,
    /// Whether the process lives.
    #[schema(example = "/healthz")]
    health: &'static str,
    /// Whether requests should be sent here.
    #[schema(example = "/readyz")]
    readiness: &'static str,
}

impl IndexView {
    pub(super) const fn new() -> Self {
        Self {
            name: "Lastro",
            version: VERSION,
            description: DESCRIPTION,
            links: Links {
                docs: "/docs",
                errors: ERRORS_PATH,
                openapi: "/openapi.json",
                health: "/healthz",
                readiness: "/readyz",
            },
        }
    }
}

pub(super) fn page() -> Markup {
    let view = IndexView::new();
    let links = [
        (view.links.docs, "the API: every route, with examples"),
        (
            view.links.errors,
            "the error codes: what each means and what to do",
        ),
        (
            view.links.openapi,
            "the OpenAPI document, for programs; it needs a key where the server asks for keys",
        ),
        (view.links.health, "whether the process lives"),
        (view.links.readiness, "whether requests should be sent here"),
    ];
    let content = html! {
        h1 { (view.name) " " (view.version) }
        p { (view.description) }
        p { "Amounts are integers in minor units: 5000 is 50.00 BRL. What was answered is durable, and every command can be \
             sent again under its id: it is never applied twice." }
        ul {
            @for (path, what) in links {
                li { a href=(path) { code { (path) } } ": " (what) }
            }
        }
    };
    layout::page("Lastro", &content)
}
