//! The example of a configuration file: every setting as a comment, with its help and its default. It
//! is made from the tables of the settings; only what the file alone can give is written by hand.

use std::any::TypeId;
use std::fmt::Write;

use clap::{Arg, ArgAction, Args, Command};
use trace::Ratio;

use crate::serve::{PAYMENTS_EXAMPLE, ServeOptions, WEBHOOKS_EXAMPLE, setting_defaults};

/// The width of a line.
const WIDTH: usize = 100;

const START: &str = "\
# Configuration of `lastro serve --config FILE`. `lastro config example` prints this file.
#
# A setting is taken from its flag, else from its variable, else from this file, else from its default.
# Each line that sets something is a comment with the default or, where there is none, with the kind of
# value: remove the `#` and write yours. `lastro config check --config FILE` checks the result.
";

/// The file.
pub(super) fn text() -> String {
    let mut text = START.to_owned();
    let command = ServeOptions::augment_args(Command::new("serve"));
    let mut heading = None;
    for (key, default) in setting_defaults() {
        let flag = command.get_arguments().find(|flag| flag.get_id() == key);
        let Some(flag) = flag else {
            unreachable!("each setting has a flag");
        };
        if flag.get_help_heading() != heading {
            heading = flag.get_help_heading();
            // Writing into a string cannot fail.
            let _ = write!(text, "\n## {}\n", heading.unwrap_or("Others"));
        }
        add(&mut text, key, default, flag);
    }
    text.push_str(PAYMENTS_EXAMPLE);
    text.push_str(WEBHOOKS_EXAMPLE);
    text
}

fn add(text: &mut String, key: &str, default: Option<&str>, flag: &Arg) {
    let help = flag
        .get_help()
        .map_or_else(String::new, ToString::to_string);
    let help = help.split(" [default: ").next().unwrap_or(&help);
    text.push('\n');
    let mut line = String::from("#");
    for word in help.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}.\n# {key} = {}", value(default, flag));
}

/// The default as TOML, or else the name of what is expected.
fn value(default: Option<&str>, flag: &Arg) -> String {
    let name = flag.get_value_names().and_then(|names| names.first());
    let shown = default.or(name.map(AsRef::as_ref)).unwrap_or_default();
    match flag.get_action() {
        ArgAction::SetTrue => "false".to_owned(),
        ArgAction::Append => format!("[{shown:?}]"),
        _ if is_number(flag) => default.unwrap_or("0").to_owned(),
        _ => format!("{shown:?}"),
    }
}

/// Whether the flag takes a number: then a letter is no value of it.
fn is_number(flag: &Arg) -> bool {
    let type_id = flag.get_value_parser().type_id();
    type_id == TypeId::of::<u64>()
        || type_id == TypeId::of::<usize>()
        || type_id == TypeId::of::<Ratio>()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The example with every setting set.
    fn uncommented() -> String {
        let is_setting = |line: &str| {
            let name = line.split(" = ").next().unwrap();
            line.starts_with("[")
                || name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        };
        let text = text();
        let lines = text.lines().filter_map(|line| line.strip_prefix("# "));
        let settings: Vec<_> = lines
            .filter(|line| line.contains(" = ") || line.starts_with('['))
            .filter(|line| is_setting(line))
            .collect();
        settings.join("\n")
    }

    #[test]
    fn the_committed_file_is_the_one_that_the_code_makes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/lastro.toml");
        let current = text();
        if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(
            committed == current,
            "deploy/lastro.toml differs from the settings. Where that is meant, run \
             `LASTRO_UPDATE_GOLDEN=1 cargo test -p lastro example` and commit the file"
        );
    }

    #[test]
    fn each_line_is_a_setting_of_the_right_type() {
        let text = uncommented();
        crate::serve::check_file(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let keys = text.lines().filter_map(|line| line.split_once(" = "));
        let keys: Vec<_> = keys.map(|(key, _)| key).collect();
        for (key, _) in setting_defaults() {
            assert!(keys.contains(&key), "{key} is not in the example");
        }
        for key in crate::serve::file_only_keys() {
            assert!(keys.contains(&&*key), "{key} is not in the example");
        }
    }

    #[test]
    fn lines_are_not_too_long() {
        for line in text().lines() {
            assert!(line.len() <= WIDTH + 20, "{line}");
        }
    }
}
