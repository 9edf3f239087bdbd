//! The paths in code: those of a `use`, with its braces taken apart, and those in expressions.

/// Each path that a `use` names, with the name it has here. A star is a name like
/// others: what it brings is not looked for.
pub(super) fn of_use(tree: &str) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    take_apart(&[], tree.trim(), &mut found);
    found
}

fn take_apart(before: &[String], tree: &str, found: &mut Vec<(Vec<String>, String)>) {
    if let Some((start, inner)) = tree.split_once('{') {
        let mut path = before.to_vec();
        path.extend(segments(start));
        let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
        for part in parts(inner) {
            take_apart(&path, part.trim(), found);
        }
        return;
    }
    let (path, given) = match tree.split_once(" as ") {
        Some((path, name)) => (path, Some(name.trim().to_owned())),
        None => (tree, None),
    };
    let mut whole = before.to_vec();
    whole.extend(segments(path));
    if whole.len() > 1 && whole.last().is_some_and(|last| last == "self") {
        whole.pop();
    }
    if let Some(last) = whole.last().cloned() {
        found.push((whole, given.unwrap_or(last)));
    }
}

/// The parts between the commas that stand in no inner braces.
fn parts(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found.retain(|part| !part.trim().is_empty());
    found
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(|segment| segment.trim().trim_start_matches("r#").to_owned())
        .filter(|segment| !segment.is_empty())
}

/// The paths of two names and more that stand in expressions and types.
pub(super) fn in_code(code: &str) -> Vec<Vec<String>> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    for chunk in code.split(|letter: char| !is_name(letter) && letter != ':') {
        // A colon alone parts a name from its type.
        let path: Vec<String> = segments(chunk).collect();
        if path.len() > 1 && path.iter().all(|name| name.chars().all(is_name)) {
            found.push(path);
        }
    }
    found
}
