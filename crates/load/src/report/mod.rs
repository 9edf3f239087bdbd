//! Reports: a table for the terminal, JSON, and one HTML page with pictures.

pub(crate) mod axis;
pub(crate) mod chart;
pub(crate) mod page;
pub(crate) mod pictures;
pub(crate) mod table;

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

pub use page::Page;

/// A scenario's report.
pub trait Document: Serialize {
    /// The report as text for a terminal.
    fn text(&self) -> String;

    /// The report as a page.
    fn page(&self) -> Page;
}

/// Where a report goes, besides the terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outputs<'a> {
    /// A file for the JSON, or `-` for standard output.
    pub json: Option<&'a Path>,
    /// A file for the page.
    pub html: Option<&'a Path>,
}

/// Prints a report and writes its files. Standard output has either the text or the JSON.
pub fn publish(document: &impl Document, outputs: Outputs<'_>) -> anyhow::Result<()> {
    match outputs.json {
        Some(path) if path == Path::new("-") => println!("{}", json(document)?),
        Some(path) => {
            print!("{}", document.text());
            write(path, &(json(document)? + "\n"))?;
        }
        None => print!("{}", document.text()),
    }
    if let Some(path) = outputs.html {
        write(path, &html(document))?;
    }
    Ok(())
}

/// The report as JSON.
pub fn json(document: &impl Document) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(document)?)
}

/// The report as one self-contained page.
#[must_use]
pub fn html(document: &impl Document) -> String {
    page::render(&document.page())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
