//! Passwords and keys: from a file or a variable, so that no other user of the machine reads them.
//!
//! Every user can see the command line of every process (`ps`); the environment is its owner's alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};

/// The permission of every user to read a file.
const OTHERS_READ: u32 = 0o004;

/// The value of `--flag`, or the only line of the file of `--flag-file`.
pub(crate) fn read(
    flag: &str,
    given: Option<&str>,
    file: Option<&Path>,
) -> anyhow::Result<Option<String>> {
    match (given, file) {
        (Some(_), Some(_)) => bail!("--{flag} and --{flag}-file exclude each other"),
        (Some(value), None) => Ok(Some(value.to_owned())),
        (None, Some(path)) => read_file(flag, path).map(Some),
        (None, None) => Ok(None),
    }
}

/// No error quotes the file.
fn read_file(flag: &str, path: &Path) -> anyhow::Result<String> {
    let place = path.display();
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("--{flag}-file: cannot read {place}"))?;
    let value = text.trim();
    ensure!(
        !value.is_empty() && value.lines().count() == 1,
        "--{flag}-file: {place} must have the value of --{flag} as its only line"
    );
    Ok(value.to_owned())
}

/// Whether an argument of this process has the password of this URL in it.
fn is_an_argument(url: &str) -> bool {
    let arguments = std::env::args_os();
    arguments
        .skip(1)
        .any(|argument| argument.to_string_lossy().contains(url))
}

/// What an operator should know of how a URL with a password was given.
pub(crate) fn warning(flag: &str, url: &str, file: Option<&Path>) -> Option<String> {
    warning_of(flag, is_an_argument(url), file)
}

/// The same, for commands without a log: on standard error.
pub(crate) fn warn(flag: &str, url: &str, file: Option<&Path>) {
    if let Some(warning) = warning(flag, url, file) {
        eprintln!("warning: {warning}");
    }
}

fn warning_of(flag: &str, is_an_argument: bool, file: Option<&Path>) -> Option<String> {
    if is_an_argument {
        let variable = flag.replace('-', "_").to_uppercase();
        return Some(format!(
            "--{flag} has a password in it, and every user of this machine can read the command line: give it as \
             --{flag}-file or in the variable LASTRO_{variable}"
        ));
    }
    file.and_then(|path| open_file(path, "a password"))
}

/// What an operator should know of a file with `what` in it, if every user of the machine can read it.
pub(crate) fn open_file(path: &Path, what: &str) -> Option<String> {
    // A file that cannot be looked at is not used either: that is reported where it is read.
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & OTHERS_READ != 0).then(|| {
        let place = path.display();
        format!(
            "{place} has {what} in it, and every user of this machine can read it (mode {mode:o}): chmod 600 {place}"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn a_value_is_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        write(&file, "postgres://me:s3cret@db/bank\n").unwrap();
        let read = |given, file| read("database-url", given, file);
        let expected = Some("postgres://me:s3cret@db/bank".to_owned());
        assert_eq!(read(None, Some(&file)).unwrap(), expected);
        assert_eq!(read(Some("x"), None).unwrap().as_deref(), Some("x"));
        assert_eq!(read(None, None).unwrap(), None);
        let error = read(Some("x"), Some(&file)).unwrap_err().to_string();
        assert_eq!(
            error,
            "--database-url and --database-url-file exclude each other"
        );
        for text in ["", "\n", "s3cret\ns3cret\n"] {
            write(&file, text).unwrap();
            let error = format!("{:#}", read(None, Some(&file)).unwrap_err());
            assert!(error.ends_with("as its only line"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let nowhere = format!("{:#}", read(None, Some(Path::new("/nowhere"))).unwrap_err());
        let expected =
            "--database-url-file: cannot read /nowhere: No such file or directory (os error 2)";
        assert_eq!(nowhere, expected);
    }

    #[test]
    fn what_others_can_read_is_warned_about() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        write(&file, "redis://:s3cret@cache").unwrap();
        let warning = |is_an_argument| warning_of("redis-url", is_an_argument, Some(&file));
        for (mode, is_warned_about) in [(0o600, false), (0o640, false), (0o644, true)] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let warning = warning(false);
            assert_eq!(warning.is_some(), is_warned_about, "{mode:o}: {warning:?}");
            assert!(!format!("{warning:?}").contains("s3cret"), "{warning:?}");
        }
        let argument = warning_of("redis-url", true, None).unwrap();
        assert!(argument.contains("--redis-url-file or in the variable LASTRO_REDIS_URL"));
        assert_eq!(warning_of("redis-url", false, None), None);
    }
}
