//! What `lastro config` and the environment come to.

use std::process::{Command, Output};

use crate::support::{binary, folder};

fn lastro(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments);
    command
}

fn said(output: &Output) -> String {
    let both = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn an_unknown_variable_is_refused_by_every_command_with_the_nearest_known_one() {
    for arguments in [
        ["serve", "--demo"],
        ["config", "example"],
        ["verify", "--read-only"],
    ] {
        let output = lastro(&arguments)
            .env("LASTRO_LISTNE", "x")
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert_eq!(
            said(&output),
            "error: the variable LASTRO_LISTNE is not a setting of lastro: did you mean LASTRO_LISTEN? \
             Correct its name, or unset it\n"
        );
    }
}

#[test]
fn a_configuration_is_checked_as_a_start_would_and_nothing_is_started() {
    let folder = folder();
    let file = folder.path().join("lastro.toml");
    let data_dir = folder.path().join("data");
    let text = format!("data_dir = {data_dir:?}\nlisten = '127.0.0.1:1'\ndurability = 'os'\n");
    std::fs::write(&file, &text).unwrap();
    let path = file.to_str().unwrap();
    let check = |arguments: &[&str]| {
        let all = [&["config", "check", "--config", path], arguments].concat();
        let mut command = lastro(&all);
        command.env("LASTRO_DURABILITY", "disk").output().unwrap()
    };

    let checked = check(&["--listen", "127.0.0.1:2"]);
    assert!(checked.status.success(), "{}", said(&checked));
    let shown = said(&checked);
    // The flag goes before the file, and so does the variable.
    assert!(shown.contains("listen          127.0.0.1:2\n"), "{shown}");
    assert!(shown.contains("durability      disk"), "{shown}");
    assert!(shown.contains(&data_dir.display().to_string()), "{shown}");
    assert!(!data_dir.exists(), "something was started");

    let refused = check(&["--listen", "0.0.0.0:2"]);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("0.0.0.0:2 can be reached from other machines"));

    let missing = check(&[
        "--grpc-listen",
        "127.0.0.1:3",
        "--tls-cert",
        "/nonexistent.pem",
        "--tls-key",
        "/nonexistent.key",
    ]);
    assert!(!missing.status.success());
    assert!(
        said(&missing).contains("/nonexistent."),
        "{}",
        said(&missing)
    );

    std::fs::write(&file, "lisen = 'x'\n").unwrap();
    let mistyped = check(&[]);
    assert!(!mistyped.status.success());
    assert!(said(&mistyped).contains("line 1, lisen: unknown field `lisen`"));
}

#[test]
fn the_example_is_a_configuration_that_changes_nothing() {
    let folder = folder();
    let example = lastro(&["config", "example"]).output().unwrap();
    assert!(example.status.success());
    let file = folder.path().join("lastro.toml");
    std::fs::write(&file, &example.stdout).unwrap();
    let with = lastro(&["config", "check", "--config", file.to_str().unwrap()])
        .output()
        .unwrap();
    let without = lastro(&["config", "check"]).output().unwrap();
    assert!(with.status.success(), "{}", said(&with));
    assert_eq!(said(&with), said(&without));
}

#[test]
fn the_help_says_which_source_wins() {
    let help = lastro(&["serve", "--help"]).output().unwrap();
    let help = said(&help).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        help.contains(
            "taken from its flag, else from its variable, else from the file of --config"
        ),
        "{help}"
    );
    let help = lastro(&["config", "check", "--help"]).output().unwrap();
    assert!(
        !said(&help).contains("--listen"),
        "its flags are explained once"
    );
}
