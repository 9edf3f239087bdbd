//! Ways to the server: TLS with an authority of its own, a certificate of the caller, a Unix socket, a key.

use std::path::{Path, PathBuf};
use std::process::Command;

use lastro_client::{AccountId, Client, ClientKey, ClientOptions, Code, Error};
use testkit::LastroProcess;
use testkit::certificates::Authority;

use super::id;
use crate::support::{binary, folder, write_private};

#[tokio::test]
async fn a_server_over_tls_is_known_by_its_authority_and_knows_its_callers() {
    let folder = folder();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let certificate = ours.certify(&["localhost"]);
    let files = certificate.write(folder.path(), "server").unwrap();
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca = file("ca.pem", ours.pem());
    let arguments = [
        "--demo",
        "--http-tls-cert",
        files.certificate.to_str().unwrap(),
        "--http-tls-key",
        files.key.to_str().unwrap(),
        "--http-tls-client-ca",
        ca.to_str().unwrap(),
    ];
    let data_dir = folder.path().join("data");
    let server = LastroProcess::serve(&binary(), &data_dir, &arguments).unwrap();
    let url = server
        .url()
        .replace("http://127.0.0.1", "https://localhost");
    let caller = ours.certify(&["caller"]);
    let identity = file("caller.pem", &format!("{}{}", caller.pem, caller.key));
    let client = |ca: &Path, identity: Option<&Path>| {
        let mut options = ClientOptions::new(&url);
        options.ca_file = Some(ca.to_owned());
        options.identity_file = identity.map(Path::to_owned);
        options.retry.within = std::time::Duration::from_millis(500);
        Client::with(&options).unwrap()
    };
    let account = client(&ca, Some(&identity))
        .account(&id("1"))
        .await
        .unwrap();
    assert_eq!(account.currency, "BRL");
    let other = file("other.pem", theirs.pem());
    for refused in [client(&other, Some(&identity)), client(&ca, None)] {
        let error = refused.account(&id("1")).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_unix_socket_is_reached_by_its_path() {
    let folder = folder();
    let socket = folder.path().join("socket");
    let listen = format!("unix:{}", socket.display());
    let mut command = Command::new(binary());
    command.args(["serve", "--demo", "--listen", &listen, "--data-dir"]);
    let data_dir = folder.path().join("data");
    let _server = LastroProcess::start(with(command, &data_dir)).unwrap();
    let client = Client::new(&listen).unwrap();
    assert_eq!(client.account(&id("1")).await.unwrap().currency, "BRL");
}

fn with(mut command: Command, data_dir: &Path) -> Command {
    command.arg(data_dir);
    command
}

#[tokio::test]
async fn a_key_is_asked_for_and_its_scopes_hold() {
    let folder = folder();
    let keys = folder.path().join("keys.json");
    let create = |name: &str, scopes: &str| {
        let mut command = Command::new(binary());
        let output = command
            .args(["key", "create", name, "--scopes", scopes, "--keys"])
            .arg(&keys)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let secret = folder.path().join("reader");
    write_private(&secret, &create("reader", "read"));
    let arguments = ["--demo", "--keys", keys.to_str().unwrap()];
    let server = LastroProcess::serve(&binary(), &folder.path().join("data"), &arguments).unwrap();
    let with = |key: Option<ClientKey>| {
        Client::with(&ClientOptions {
            key,
            ..ClientOptions::new(server.url())
        })
        .unwrap()
    };
    let reader = with(Some(ClientKey::from_file(&secret).unwrap()));
    reader.account(&id("1")).await.unwrap();
    let denied = reader
        .transfer(&super::deposit(&id("1"), 1))
        .await
        .unwrap_err();
    assert_eq!(denied.code(), Some(&Code::ScopeMissing));
    let unknown = with(None).account(&id("1")).await.unwrap_err();
    assert_eq!(unknown.code(), Some(&Code::Unauthenticated));
    assert!(unknown.problem().unwrap().is_denied());
}

/// What the client takes for an account's id is what the ledger takes; but for two that no path can have.
#[test]
fn ids_of_accounts_have_the_ledgers_form() {
    let letters: Vec<char> = (0..=0x17f).filter_map(char::from_u32).collect();
    let texts = letters.iter().flat_map(|letter| {
        let text = letter.to_string();
        [text.repeat(64), text.repeat(65), format!("a{text}"), text]
    });
    for text in texts.chain([String::new(), "..".to_owned(), "...".to_owned()]) {
        let is_of_ledger = ledger::AccountId::new(&text).is_ok();
        let expected = is_of_ledger && text != "." && text != "..";
        assert_eq!(AccountId::new(text.clone()).is_ok(), expected, "{text:?}");
    }
}
