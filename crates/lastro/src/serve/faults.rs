//! What is wrong with a configuration file, without what is in it: it has passwords.

use toml::de::Error;

/// Where the fault is, and what, in words that quote no value.
pub(super) fn describe(text: &str, error: &Error) -> String {
    let what = without_values(error.message());
    let Some(span) = error.span() else {
        return what;
    };
    let before = text.get(..span.start).unwrap_or(text);
    let line_number = before.matches('\n').count() + 1;
    let line = text.lines().nth(line_number - 1).unwrap_or("");
    match name(line) {
        Some(name) => format!("line {line_number}, {name}: {what}"),
        None => format!("line {line_number}: {what}"),
    }
}

/// The setting of a line.
fn name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// A message says what was found, and then what was expected: only the latter is ours. Names of
/// settings are no values.
fn without_values(message: &str) -> String {
    let first_line = message.lines().next().unwrap_or("");
    if let Some((_, expected)) = first_line.rsplit_once(", expected ")
        && first_line.starts_with("invalid ")
    {
        return format!("expected {expected}");
    }
    let quotes_nothing = !first_line.contains(['"', '\'']);
    let names_a_setting = first_line.starts_with("unknown field `")
        || first_line.starts_with("missing field `")
        || first_line.starts_with("duplicate ");
    if names_a_setting || (quotes_nothing && !first_line.contains('`')) {
        first_line.to_owned()
    } else {
        "this is not TOML".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct File {
        database_url: Option<String>,
        calls: Option<usize>,
        insecure: Option<bool>,
    }

    #[test]
    fn no_fault_quotes_a_value() {
        const SECRET: &str = "s3cret";
        let url = format!("postgres://u:{SECRET}@h/d");
        for (text, expected) in [
            (
                format!("insecure = \"{url}\""),
                "line 1, insecure: expected a boolean",
            ),
            (format!("\ncalls = '{url}'"), "line 2, calls: expected "),
            (format!("database_url = \"{url}"), "line 1, database_url: "),
            (format!("database_url = {url}"), "line 1, database_url: "),
            (
                format!("database_url = \"{url}\" insecure = true"),
                "line 1, database_url: ",
            ),
            (
                format!("database_url = [\"{url}\"]"),
                "line 1, database_url: expected a string",
            ),
            (
                format!("databse_url = \"{url}\""),
                "line 1, databse_url: unknown field `databse_url`",
            ),
            (
                format!("database_url = \"{url}\"\ndatabase_url = \"{url}\""),
                "line ",
            ),
            (url.clone(), "line 1: "),
            (format!("calls = -1 # {url}"), "line 1, calls: expected "),
        ] {
            let error = toml::from_str::<File>(&text).unwrap_err();
            let described = describe(&text, &error);
            assert!(!described.contains(SECRET), "{described}");
            assert!(described.starts_with(expected), "{described}");
        }
    }
}
