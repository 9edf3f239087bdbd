//! Certificates and keys that are wrong, and that change.

use std::process::Command;

use serde_json::Value;
use testkit::LastroProcess;
use testkit::certificates::Authority;
use uuid::Uuid;

use super::acquirer::Acquirer;
use super::{KEY, PATIENCE, Site, intent};
use crate::support::{binary, metrics, tls_acceptor, write_private};

const TEMPLATE: &str = "template = 'intent'";

/// Whether the payment waits, and the processor is used no more.
async fn assert_waits(site: &Site, process: &mut LastroProcess, id: Uuid, log: &str) {
    process.wait_for_log(log, PATIENCE).unwrap();
    let patience = std::time::Instant::now() + PATIENCE;
    let open = "lastro_payments_breaker_closed{processor=\"default\"} 0";
    while !metrics(process).await.contains(open) {
        assert!(
            std::time::Instant::now() < patience,
            "the breaker stays closed"
        );
        tokio::time::sleep(super::ms(50)).await;
    }
    let shown = site.shown(process, id).await;
    assert!(
        ["accepted", "sent"].contains(&shown["state"].as_str().unwrap()),
        "{shown}"
    );
    assert!(site.acquirer.kept().is_empty());
}

async fn assert_settled(site: &Site, process: &LastroProcess, id: Uuid) {
    let is_settled = |shown: &Value| shown["state"] == "settled";
    site.until(process, id, "settled", is_settled).await;
    assert_eq!(site.acquirer.kept().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authority_holds_payments_back_until_the_file_is_corrected() {
    let site = Site::new(intent(), TEMPLATE, "").await;
    std::fs::write(site.file("ca.pem"), Authority::new("another").pem()).unwrap();
    let mut process = site.serve();
    let id = Uuid::new_v4();
    site.pay(&process, id, 1_990).await;
    let log = "processor default cannot be reached: there is no connection: invalid peer certificate: UnknownIssuer";
    assert_waits(&site, &mut process, id, log).await;
    std::fs::write(site.file("ca.pem"), site.authority.pem()).unwrap();
    process
        .wait_for_log(
            "the secrets and certificates of processor default: read again",
            PATIENCE,
        )
        .unwrap();
    assert_settled(&site, &process, id).await;
    assert!(process.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_holds_payments_back() {
    let site = Site::new(intent(), TEMPLATE, "").await;
    let config = std::fs::read_to_string(site.file("lastro.toml")).unwrap();
    std::fs::write(
        site.file("lastro.toml"),
        config.replace("https://127.0.0.1", "https://localhost"),
    )
    .unwrap();
    let mut process = site.serve();
    let id = Uuid::new_v4();
    site.pay(&process, id, 1_990).await;
    let log = "invalid peer certificate: certificate not valid for name \"localhost\"";
    assert_waits(&site, &mut process, id, log).await;
    assert!(process.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_expired_holds_payments_back_until_its_file_has_the_new_one() {
    let site = Site::new(intent(), TEMPLATE, "").await;
    site.acquirer.change_key("acq_new_0c7d");
    let mut process = site.serve();
    let id = Uuid::new_v4();
    site.pay(&process, id, 1_990).await;
    assert_waits(&site, &mut process, id, "processor default answers 401").await;
    // Gone for a moment: what was read before stays in force, and the log says so.
    std::fs::remove_file(site.file("key")).unwrap();
    process
        .wait_for_log(
            "CANNOT RELOAD the secrets and certificates of processor default",
            PATIENCE,
        )
        .unwrap();
    write_private(&site.file("key"), "acq_new_0c7d");
    assert_settled(&site, &process, id).await;
    let shown = site.shown(&process, id).await.to_string();
    let logged = process.logged().join("\n");
    for secret in [KEY, "acq_new_0c7d"] {
        assert!(
            !logged.contains(secret) && !shown.contains(secret),
            "{logged}"
        );
    }
    assert!(logged.contains("Bearer [secret]"), "{logged}");
    assert!(process.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_can_ask_for_a_certificate() {
    let authority = Authority::new("theirs");
    let mut site = Site::new(intent(), TEMPLATE, "").await;
    let certificate = site.authority.certify(&["127.0.0.1"]);
    let acceptor = tls_acceptor(&certificate, Some(authority.pem()));
    let asking = Acquirer::start(intent(), KEY, acceptor).await;
    let shown = authority
        .certify(&["lastro"])
        .write(site.folder.path(), "shown")
        .unwrap();
    let config = std::fs::read_to_string(site.file("lastro.toml")).unwrap();
    let files = format!(
        "certificate_file = '{}'\nkey_file = '{}'\nca_file",
        shown.certificate.display(),
        shown.key.display()
    );
    let config = config
        .replace("ca_file", &files)
        .replace(&site.acquirer.url, &asking.url);
    std::fs::write(site.file("lastro.toml"), config).unwrap();
    site.acquirer = asking;
    let process = site.serve();
    let id = Uuid::new_v4();
    site.pay(&process, id, 1_990).await;
    assert_settled(&site, &process, id).await;
    assert!(process.stop().unwrap().success());
}

/// Without a file of authorities those of the machine are trusted; and a key can come from the environment.
#[tokio::test(flavor = "multi_thread")]
async fn the_machine_has_authorities_and_the_environment_a_key() {
    let site = Site::new(intent(), TEMPLATE, "").await;
    let config = std::fs::read_to_string(site.file("lastro.toml")).unwrap();
    let ca_file = format!("ca_file = '{}'\n", site.file("ca.pem").display());
    let key_file = format!("file = '{}'", site.file("key").display());
    let changed = config
        .replace(&ca_file, "")
        .replace(&key_file, "variable = 'ACQUIRER_KEY'");
    assert!(!changed.contains("ca.pem") && changed.contains("ACQUIRER_KEY"));
    std::fs::write(site.file("lastro.toml"), changed).unwrap();
    let start = |ca: &str| {
        let mut command = Command::new(binary());
        command
            .args(["serve", "--demo", "--data-dir"])
            .arg(site.data());
        command.arg("--config").arg(site.file("lastro.toml"));
        command
            .env("SSL_CERT_FILE", site.file(ca))
            // It would add to the file.
            .env_remove("SSL_CERT_DIR")
            .env("ACQUIRER_KEY", KEY);
        LastroProcess::start(command)
    };
    std::fs::write(site.file("empty.pem"), "").unwrap();
    let refused = start("empty.pem").err().unwrap();
    assert!(
        refused.contains("this machine trusts no authority"),
        "{refused}"
    );
    let process = start("ca.pem").unwrap();
    let id = Uuid::new_v4();
    site.pay(&process, id, 1_990).await;
    assert_settled(&site, &process, id).await;
    assert!(process.stop().unwrap().success());
}
