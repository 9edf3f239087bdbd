//! `GET /docs/errors`: the list of codes.

use maud::{Markup, html};

use super::{layout, text};
use crate::codes::{Effect, Entry, GROUPS, Group};

pub(super) fn page() -> Markup {
    let content = html! {
        h1 { "Error codes" }
        (text::paragraphs("Each error is a problem body (RFC 9457). Its `code` is stable for good; its `type` leads to the code's \
                place on this page. Later versions add codes: treat an unknown one as its status says."))
        nav.toc aria-label="On this page" {
            @for group in &GROUPS {
                p {
                    strong { (group.title) }
                    @for entry in group.entries {
                        " " a href={ "#" (entry.code) } { (entry.code) }
                    }
                }
            }
        }
        @for group in &GROUPS { (of_group(group)) }
    };
    layout::page("Error codes · Lastro", &content)
}

fn of_group(group: &Group) -> Markup {
    html! {
        h2 { (group.title) }
        (text::paragraphs(group.about))
        @for entry in group.entries { (of_entry(entry)) }
    }
}

fn of_entry(entry: &Entry) -> Markup {
    let effect = match entry.effect {
        Effect::Nothing | Effect::Before => "effect",
        Effect::Unknown => "effect unknown",
    };
    html! {
        section.card id=(entry.code) {
            h3 {
                span.status { (entry.statuses_text()) }
                a href={ "#" (entry.code) } { code { (entry.code) } }
            }
            (text::paragraphs(entry.meaning))
            p class=(effect) { (entry.effect.text()) }
            (text::paragraphs(entry.advice))
        }
    }
}
