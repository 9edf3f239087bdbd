//! The little markup that descriptions have: paragraphs, lists with `-`, code between backticks.

use maud::{Markup, html};

/// Paragraphs and lists.
pub(super) fn paragraphs(text: &str) -> Markup {
    html! {
        @for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
            @if block.starts_with("- ") {
                ul {
                    @for item in items(block) { li { (inline(&item)) } }
                }
            } @else {
                p { (inline(block)) }
            }
        }
    }
}

/// One line of text with code in it.
pub(super) fn inline(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// The items of a list; a line that begins no item goes on with the one before.
fn items(block: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("- "), items.last_mut()) {
            (Some(item), _) => items.push(item.to_owned()),
            (None, Some(last)) => {
                last.push(' ');
                last.push_str(line.trim());
            }
            (None, None) => items.push(line.to_owned()),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_html_and_nothing_else_does() {
        let text = "One `code` <b>.\n\n- first\n  goes on\n- second `a<b`\n\n";
        let expected = "<p>One <code>code</code> &lt;b&gt;.</p><ul><li>first goes on</li>\
                        <li>second <code>a&lt;b</code></li></ul>";
        assert_eq!(paragraphs(text).into_string(), expected);
    }
}
