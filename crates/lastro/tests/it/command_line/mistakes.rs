//! Mistakes: what is said of each, how to mend it, and the exit code.

use std::path::Path;

use testkit::LastroProcess;
use testkit::middle::Middle;

use super::{printed, run, said};
use crate::support::{binary, folder, serve, write_private};

#[track_caller]
fn check(url: &str, arguments: &str, code: i32, expected: &[&str]) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = run(url, &arguments);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {}",
        said(&output)
    );
    assert_eq!(printed(&output), "", "{arguments:?}");
    let said = said(&output);
    for text in expected {
        assert!(
            said.contains(text),
            "{arguments:?} says\n{said}\nand not {text}"
        );
    }
}

const MOVE: &str = "transfer --debit world:BRL --credit 1 --description d";

#[test]
fn a_mistake_in_the_command_line_is_named_before_anything_is_sent() {
    let nowhere = "http://127.0.0.1:1";
    let minor_units =
        "use a whole number of minor units, from 1 to 9007199254740991: 5000 for 50.00 BRL";
    for amount in ["50.00", "0", "-5", "9007199254740992", "many"] {
        let arguments = format!("{MOVE} --amount={amount}");
        check(nowhere, &arguments, 2, &["invalid value", minor_units]);
    }
    for (arguments, expected) in [
        (
            "account show a/b",
            "an account's id is 1 to 64 characters of A-Z a-z 0-9 _ . : -",
        ),
        (
            "balance 1",
            "the following required arguments were not provided",
        ),
        (
            "balance 1 --at x --after 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a01",
            "cannot be used with",
        ),
        ("void 7", "invalid value '7' for '<PENDING-ID>'"),
        (
            "post 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a01 --keep-rest",
            "--amount <AMOUNT>",
        ),
        ("account freeze 1", "--side <SIDE>"),
        (
            "account show 1 --url ftp://a",
            "\"ftp://a\" is not the URL of a server: use http://host:port",
        ),
        (
            "payment list --state unknown --account 1",
            "--account, --reference, --from and --to are not for payments that are unknown or in conflict",
        ),
        (
            "transfers --kind pend",
            "<--account <ACCOUNT>|--reference <TEXT>>",
        ),
        (
            "transfers --account 1 --kind expire",
            "[possible values: transfer, pend, post, void, settle, reverse]",
        ),
        ("transfer --metadata x", "use NAME=TEXT"),
    ] {
        check(nowhere, arguments, 2, &[expected]);
    }
}

#[test]
fn where_no_server_is_nothing_was_done() {
    let arguments = format!("{MOVE} --amount 5 --within-s 1");
    let expected = [
        "id: ",
        "error: no answer about transfer ",
        ", and nothing was done: there is no connection: ",
        "to do: Look whether a server runs at http://127.0.0.1:1; --url or LASTRO_URL names another one.",
    ];
    check("http://127.0.0.1:1", &arguments, 1, &expected);
}

#[test]
fn a_refusal_says_its_code_and_what_to_do() {
    let folder = folder();
    let server = serve(folder.path());
    let not_found = [
        "error: account nobody does not exist\n",
        "code:  account_not_found\n",
        "to do: Correct the id, or open the account and send the command with a new id.\n",
    ];
    check(server.url(), "account show nobody", 1, &not_found);
    let poor = "transfer --debit 1 --credit 2 --amount 99999999 --description car";
    let expected = [
        "error: account 1 has 100000 available, 99999999 required\n",
        "code:  insufficient_funds\n",
        "to do: Move less, or put money into the account first, with a new id.\n",
    ];
    check(server.url(), poor, 1, &expected);
    check(server.url(), &format!("{poor} --dry-run"), 1, &expected);
    let no_processor = "payment create --amount 5 --currency BRL --description d --within-s 1";
    check(
        server.url(),
        no_processor,
        1,
        &["code:  no_processor\n", "and nothing was done"],
    );
    check(
        server.url(),
        "balance 1 --at yesterday",
        1,
        &["code:  time_invalid\n"],
    );
    check(
        server.url(),
        "events --after nowhere",
        1,
        &["code:  position_invalid\n"],
    );
}

fn key(folder: &Path, name: &str, scopes: &str) -> String {
    let keys = folder.join("keys.json");
    let arguments = [
        "key",
        "create",
        name,
        "--scopes",
        scopes,
        "--keys",
        keys.to_str().unwrap(),
    ];
    let output = run("http://127.0.0.1:1", &arguments);
    assert!(output.status.success(), "{}", said(&output));
    let path = folder.join(name);
    write_private(&path, &printed(&output));
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_key_that_is_missing_unknown_or_too_weak_is_named() {
    let folder = folder();
    let reader = key(folder.path(), "reader", "read");
    let keys = folder.path().join("keys.json");
    let arguments = ["--demo", "--keys", keys.to_str().unwrap()];
    let data_dir = folder.path().join("data");
    let server = LastroProcess::serve(&binary(), &data_dir, &arguments).unwrap();
    let url = server.url();
    check(
        url,
        "account show 1",
        1,
        &["code:  unauthenticated\n", "to do: "],
    );
    let shown = run(url, &["account", "show", "1", "--key-file", &reader]);
    assert!(shown.status.success(), "{}", said(&shown));
    let weak = format!("{MOVE} --amount 5 --key-file {reader}");
    check(url, &weak, 1, &["code:  scope_missing\n", "to do: "]);
    let secret = std::fs::read_to_string(&reader).unwrap();
    let other = folder.path().join("other");
    let end = if secret.trim_end().ends_with('0') {
        "1"
    } else {
        "0"
    };
    let mut changed = secret.trim_end().to_owned();
    changed.pop();
    write_private(&other, &(changed + end));
    let with_other = format!("account show 1 --key-file {}", other.display());
    check(url, &with_other, 1, &["error: "]);
    check(
        url,
        "account show 1 --key-file /nowhere",
        1,
        &["error: cannot open /nowhere: No such file"],
    );
}

/// The ledger has done it, and its answer is held back: the exit code is one of its own, and the same command with the
/// same id finds what was done.
#[test]
fn an_unknown_outcome_has_an_exit_code_of_its_own() {
    let folder = folder();
    let server = serve(folder.path());
    let address = server
        .url()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let middle = Middle::start(address).unwrap();
    middle.let_answers_pass(false);
    let id = "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a01";
    let arguments = format!("{MOVE} --amount 5 --id {id} --within-s 1");
    let expected = [
        &*format!("error: the outcome of transfer {id} is unknown: no answer within "),
        &*format!(
            "to do: Run the same command again with --id {id}: it is done once, and answered as it was the first time.\n"
        ),
    ];
    let slow = format!("http://{}", middle.address());
    check(&slow, &arguments, 3, &expected);
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let again = run(server.url(), &arguments);
    assert!(again.status.success(), "{}", said(&again));
    assert!(
        printed(&again).contains("\"replayed\":true"),
        "{}",
        printed(&again)
    );
    assert!(printed(&run(server.url(), &["account", "show", "1"])).contains("\"balance\":5,"));
}
