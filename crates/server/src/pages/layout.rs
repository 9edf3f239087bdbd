//! The frame of all pages.

use maud::{DOCTYPE, Markup, html};

use crate::codes::ERRORS_PATH;

/// Where the pages' style sheet is.
pub(crate) const STYLE_PATH: &str = "/docs/style.css";

/// The version of the server.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A page with this title around this content.
pub(super) fn page(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href=(STYLE_PATH);
            }
            body {
                header {
                    a.brand href="/" { "Lastro" }
                    span.version { (VERSION) }
                    nav aria-label="Pages" {
                        a href="/docs" { "API" }
                        a href=(ERRORS_PATH) { "Error codes" }
                        a href="/openapi.json" { "OpenAPI" }
                    }
                }
                main { (content) }
            }
        }
    }
}
