//! docs/errors.md, from the list of codes.

use std::fmt::Write;

use super::table::GROUPS;

/// The page about all error codes, in Markdown: docs/errors.md is this text.
///
/// Guarantee: each code that an answer of the HTTP face can have as a problem's `code` is a heading of it.
#[must_use]
pub fn errors_markdown() -> String {
    let mut text = String::from(
        "# Error codes\n\
         \n\
         Each error over HTTP is a problem body (RFC 9457). Its `code` is stable for good; its `type` leads to the code's place on \
         this page, which a running server shows under `/docs/errors`. Codes are added in later versions: treat an unknown one as \
         its HTTP status says.\n\
         \n\
         This page is made from the server's own list: `LASTRO_UPDATE_GOLDEN=1 cargo test -p server golden` writes it.\n",
    );
    for group in &GROUPS {
        push(
            &mut text,
            format_args!("\n## {}\n\n{}\n", group.title, group.about),
        );
        for entry in group.entries {
            push(
                &mut text,
                format_args!(
                    "\n### {}\n\n{}\n\n- status: {}\n- done: {}\n- what to do: {}\n",
                    entry.code,
                    entry.meaning,
                    entry.statuses_text(),
                    entry.effect.text(),
                    entry.advice,
                ),
            );
        }
    }
    text
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(more);
    stdx::invariant!(written.is_ok(), "a string takes all that is written to it");
}
