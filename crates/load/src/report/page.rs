//! The page: one file, nothing from elsewhere, no script; light or dark as the reader's system is.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How a tile is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
}

impl Tone {
    pub(crate) const fn of(is_good: bool) -> Self {
        if is_good { Self::Good } else { Self::Bad }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "tile",
            Self::Good => "tile good",
            Self::Bad => "tile bad",
        }
    }
}

/// One figure that matters.
#[derive(Debug, Clone)]
pub(crate) struct Tile {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) note: String,
    pub(crate) tone: Tone,
}

impl Tile {
    pub(crate) fn new(
        label: impl Into<String>,
        value: impl Into<String>,
        note: impl Into<String>,
        tone: Tone,
    ) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
            note: note.into(),
            tone,
        }
    }
}

/// What a page shows.
pub struct Page {
    pub(crate) title: String,
    /// What was driven, and how.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// What the reader must know before anything else.
    pub(crate) warnings: Vec<String>,
    /// Whether the scenario's own criteria hold, in words.
    pub(crate) outcome: (bool, String),
    pub(crate) tiles: Vec<Tile>,
    pub(crate) panels: Vec<Markup>,
    /// From when latencies count.
    pub(crate) footnote: &'static str,
}

/// The footnote of scenarios whose arrivals never wait for answers.
pub(crate) const OPEN: &str = "Latency counts from each request's planned arrival to the end of its \
                               answer: a server that answers late cannot hide its queue.";

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn render(page: &Page) -> String {
    let (passed, outcome) = &page.outcome;
    let verdict = if *passed {
        "verdict good"
    } else {
        "verdict bad"
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Lastro" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.brand { "Lastro load report" }
                    h1 { (page.title) }
                    p class=(verdict) { (outcome) }
                    dl.facts {
                        @for (name, value) in &page.facts {
                            div { dt { (name) } dd { (value) } }
                        }
                    }
                    @for warning in &page.warnings {
                        p.warning { (warning) }
                    }
                }
                main {
                    section.tiles {
                        @for tile in &page.tiles {
                            div class=(tile.tone.class()) {
                                p.label { (tile.label) }
                                p.value { (tile.value) }
                                p.note { (tile.note) }
                            }
                        }
                    }
                    section.panels { @for panel in &page.panels { (panel) } }
                }
                footer { (page.footnote) }
            }
        }
    }
    .into_string()
}

/// A panel with a picture or a table.
pub(crate) fn panel(title: &str, note: &str, inside: &Markup) -> Markup {
    html! {
        article.panel {
            h2 { (title) }
            @if !note.is_empty() { p.note { (note) } }
            (inside)
        }
    }
}

/// A panel over the whole width.
pub(crate) fn wide_panel(title: &str, note: &str, inside: &Markup) -> Markup {
    html! {
        article.panel.wide {
            h2 { (title) }
            @if !note.is_empty() { p.note { (note) } }
            (inside)
        }
    }
}

/// A table whose first column is text and whose others are figures.
pub(crate) fn figures_table(heads: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for head in heads { th { (head) } } } }
                tbody {
                    @for row in rows {
                        tr { @for cell in row { td { (cell) } } }
                    }
                }
            }
        }
    }
}
