//! Writing a compose file as a person would.

use std::fmt::Write as _;

/// A text as a scalar: plain where nothing in it means something to YAML.
pub(super) fn scalar(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=".contains(letter);
    let begins_well = |letter: char| letter.is_ascii_lowercase() || letter == '/' || letter == '.';
    let body = text.trim_start_matches('-');
    let is_word = body.starts_with(begins_well) && body.chars().all(is_plain);
    // Words that YAML reads as something else than a text.
    let has_meaning = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&body);
    match is_word && !has_meaning {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}

/// Words in brackets: a new line for each flag, so that a change of one is a change of its line.
pub(super) fn words(words: &[String], indent: &str) -> String {
    let mut out = String::from("[");
    for (index, word) in words.iter().enumerate() {
        let separator = match index {
            0 => String::new(),
            _ if word.starts_with('-') => format!(",\n{indent}"),
            _ => ", ".to_owned(),
        };
        let _ = write!(out, "{separator}{}", scalar(word));
    }
    out + "]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_yaml_would_read_something_else() {
        for plain in ["serve", "--role", "/var/lib/lastro", "../a/b.sock", "a=b"] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in [
            "8",
            "1.5",
            "yes",
            "0.0.0.0:1",
            "a b",
            "",
            "*",
            "-",
            "--",
            "on",
            "64MB",
        ] {
            assert_eq!(scalar(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(scalar("a\"b"), "\"a\\\"b\"");
    }

    #[test]
    fn each_flag_has_its_line() {
        let given = ["serve", "--role", "api", "--demo"].map(str::to_owned);
        assert_eq!(words(&given, "  "), "[serve,\n  --role, api,\n  --demo]");
    }
}
