//! The links between our own pages: each points to a file of the repository, and to a heading of it
//! if it names one.

use super::Finding;
use super::tree::{self, Tree};

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    for (path, text) in tree.ending(&[".md"]) {
        for (line, target) in targets(text) {
            if let Some(message) = problem(tree, path, target) {
                findings.push(Finding::new(path, line, message));
            }
        }
    }
}

/// What is wrong with a link of the page `path`.
fn problem(tree: &Tree, path: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let linked = if file.is_empty() {
        path.to_owned()
    } else {
        let Some(linked) = tree::join(tree::folder(path), file) else {
            return Some(format!("link to `{target}` leaves the repository"));
        };
        linked
    };
    if !tree.has(&linked) {
        return Some(format!("link to `{target}`: there is no such file"));
    }
    let text = tree
        .text(&linked)
        .filter(|_| linked.ends_with(".md") && !anchor.is_empty())?;
    (!has_anchor(text, anchor)).then(|| format!("link to `{target}`: there is no such heading"))
}

/// Every link's target with its line: `[text](target)`, `![text](target)` and `[name]: target`,
/// outside of code.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let definition = line
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = definition {
            found.extend(
                target
                    .split_whitespace()
                    .next()
                    .map(|target| (number, target)),
            );
        }
        for (at, start) in line.match_indices("](") {
            let rest = &line[at + start.len()..];
            let in_code = line[..at].matches('`').count() % 2 == 1;
            if let Some((target, _)) = rest.split_once(')').filter(|_| !in_code) {
                let target = target.split_whitespace().next().unwrap_or_default();
                found.push((number, target.trim_start_matches('<').trim_end_matches('>')));
            }
        }
    }
    found
}

/// The lines outside of fenced code, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        (!in_code && !is_fence).then_some((index + 1, line))
    })
}

/// Whether the page has a heading that is reached by this anchor, as GitHub names them.
fn has_anchor(text: &str, anchor: &str) -> bool {
    let explicit = [format!("name=\"{anchor}\""), format!("id=\"{anchor}\"")];
    prose(text).any(|(_, line)| {
        let heading = line
            .strip_prefix('#')
            .map(|rest| rest.trim_start_matches('#').trim());
        let is_numbered = |name: &str| {
            // The second heading of the same name gets `-1`.
            anchor
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|rest| rest.parse::<u8>().is_ok())
        };
        let named = heading
            .map(anchor_of)
            .is_some_and(|name| name == anchor || is_numbered(&name));
        named || explicit.iter().any(|attribute| line.contains(attribute))
    })
}

fn anchor_of(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::findings;
    use super::check;

    fn found(page: &str) -> Vec<String> {
        let format = "# The format\n\n## Frames, and `bytes`\n";
        findings(
            check,
            &[
                ("docs/page.md", page),
                ("docs/format.md", format),
                ("README.md", "# R\n"),
            ],
        )
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        assert!(
            found("[a](format.md) [b](../README.md#r) ![c](/docs/format.md \"title\")\n")
                .is_empty()
        );
        assert!(found("[a](../docs) [b](https://example.org/x) [c](mailto:a@b)\n").is_empty());
        assert!(
            found(
                "# Own title\n[a](#own-title) [b](format.md#frames-and-bytes)\n[r]: <format.md>\n"
                    .replace(['<', '>'], "")
                    .as_str()
            )
            .is_empty()
        );
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(
            found("\n[a](gone.md)\n"),
            ["docs/page.md:2: link to `gone.md`: there is no such file"]
        );
        assert_eq!(found("[a](format.md) and ![b](gone.svg)\n").len(), 1);
        assert_eq!(found("[reference]: gone.md\n").len(), 1);
        assert_eq!(
            found("[a](format.md#gone)\n"),
            ["docs/page.md:1: link to `format.md#gone`: there is no such heading"]
        );
        assert_eq!(found("[a](#gone)\n").len(), 1);
        assert_eq!(
            found("[a](../../etc)\n"),
            ["docs/page.md:1: link to `../../etc` leaves the repository"]
        );
    }

    #[test]
    fn code_holds_no_links() {
        assert!(found("```\n[a](gone.md)\n```\n`[a](gone.md)`\n").is_empty());
        assert_eq!(found("```\n```\n[a](gone.md)\n").len(), 1);
    }
}
