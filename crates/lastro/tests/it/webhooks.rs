//! Webhooks from the real binary to real receivers: signatures, failures, kills, secrets that change, addresses.

mod receiver;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::LastroProcess;
use testkit::certificates::Authority;
use uuid::Uuid;

use crate::support::{Bank, assert_clean, binary, folder, metrics, rounds, write_private};
use receiver::{Message, Receiver, Reply};

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl9nGGEr6Ss2mGB7Xa6U4=";

/// A folder with a configuration of one endpoint, `test`, and a place for its ledger.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(url: &str, lines: &str) -> Self {
        let site = Self { folder: folder() };
        write_private(&site.secret(), SECRET);
        let secret = site.secret();
        let text = format!(
            "[webhooks.test]\nurl = '{url}'\nsecret_files = ['{}']\n{lines}\n",
            secret.display()
        );
        std::fs::write(site.config(), text).unwrap();
        site
    }

    /// An endpoint on this machine.
    fn near(receiver: &Receiver, lines: &str) -> Self {
        Self::new(&receiver.url, &format!("allow_private = true\n{lines}"))
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("lastro.toml")
    }

    fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn serve(&self) -> LastroProcess {
        self.serve_with(&[]).unwrap()
    }

    fn serve_with(&self, arguments: &[&str]) -> Result<LastroProcess, String> {
        let config = self.config();
        let own = ["--demo", "--config", config.to_str().unwrap()];
        LastroProcess::serve(&binary(), &self.data_dir(), &[&own, arguments].concat())
    }
}

/// A deposit to one of the five accounts; its id, or `None` if the server did not answer well.
async fn deposit(bank: &Bank, account: &str) -> Option<String> {
    let id = Uuid::now_v7().to_string();
    let body = json!({
        "id": id, "debit_account_id": "world:BRL", "credit_account_id": account, "amount": 1,
        "description": "d",
    });
    match bank.transfer(&body).await {
        Ok((201, ..)) => Some(id),
        Ok(_) | Err(_) => None,
    }
}

/// The endpoint as it stands.
async fn endpoint(bank: &Bank) -> Value {
    let (status, body) = bank.get("/v1/webhooks").await;
    assert_eq!(status, 200, "{body}");
    body["endpoints"][0].clone()
}

/// Waits until this is so of the endpoint.
async fn until(bank: &Bank, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let bound = Instant::now() + PATIENCE;
    loop {
        let endpoint = endpoint(bank).await;
        if is_so(&endpoint) {
            return endpoint;
        }
        assert!(Instant::now() < bound, "not {what}: {endpoint:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until there is what is asked for.
async fn wait_for<T>(what: &str, found: impl Fn() -> Option<T>) -> T {
    let bound = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < bound, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The signature as another implementation makes it.
fn signature_by_python(secret: &str, message: &Message) -> String {
    let code = "import base64, hashlib, hmac, sys\n\
        secret, head = sys.argv[1], sys.argv[2]\n\
        key = base64.b64decode(secret.removeprefix('whsec_'))\n\
        signed = head.encode() + sys.argv[3].encode()\n\
        print('v1,' + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode())";
    let head = format!("{}.{}.", message.webhook_id, message.timestamp);
    let body = std::str::from_utf8(&message.body).unwrap();
    let output = Command::new("python3")
        .args(["-c", code, secret, &head, body])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Fails unless each event of these transfers was taken, in order for each account, and each message about an event
/// has the same body.
fn check(messages: &[Message], answered: &BTreeSet<String>) {
    let mut bodies: BTreeMap<&str, &[u8]> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for message in messages {
        let before = bodies.insert(&message.webhook_id, &message.body);
        assert!(before.is_none_or(|before| before == message.body));
        let transfer = &message.json()["data"]["transfer"];
        let id = transfer["id"].as_str().unwrap().to_owned();
        if message.status != 200 || !seen.insert(id) {
            continue;
        }
        let account = transfer["credit_account_id"].as_str().unwrap();
        let timestamp = transfer["timestamp"].as_str().unwrap();
        let before = last.insert(account.to_owned(), timestamp.to_owned());
        assert!(
            before.as_deref().is_none_or(|before| before < timestamp),
            "account {account}: {timestamp} behind {before:?}"
        );
    }
    let missing: Vec<_> = answered.difference(&seen).collect();
    assert!(
        missing.is_empty(),
        "{} of {}: {missing:?}",
        missing.len(),
        answered.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_between_deliveries_to_a_receiver_that_fails_lose_no_event() {
    let receiver = Receiver::start().await;
    // One in eight events is taken only when it comes for the second time.
    let refused = Mutex::new(BTreeSet::new());
    receiver.behave(move |message| {
        let is_chosen = message
            .body
            .iter()
            .map(|byte| u32::from(*byte))
            .sum::<u32>()
            % 8
            == 0;
        match is_chosen && refused.lock().insert(message.webhook_id.clone()) {
            true => Reply::Status(StatusCode::INTERNAL_SERVER_ERROR),
            false => Reply::Status(StatusCode::OK),
        }
    });
    let site = Site::near(&receiver, "types = ['transfer.posted']");
    let mut process = site.serve();
    let bank = Arc::new(Mutex::new(Bank::of(&process)));
    let (stop, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(Mutex::new(BTreeSet::new())),
    );
    let writers = (1..=5).map(|account| {
        let (stop, answered, bank) = (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&bank));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let now = bank.lock().clone();
                match deposit(&now, &account.to_string()).await {
                    Some(id) => _ = answered.lock().insert(id),
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for round in 0..rounds() {
        let before = receiver.count();
        wait_for("a delivery", || {
            (receiver.count() > before + round as usize % 4).then_some(())
        })
        .await;
        process.kill();
        process = site.serve();
        *bank.lock() = Bank::of(&process);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let now = bank.lock().clone();
    // What is left is taken at once: how long it waited for its pauses is not the question here.
    receiver.behave(|_| Reply::Status(StatusCode::OK));
    let enabled = now
        .http
        .post(format!("{}/v1/webhooks/test/enable", now.url));
    assert_eq!(enabled.send().await.unwrap().status(), 200);
    let is_done =
        |endpoint: &Value| endpoint["waiting_count"] == 0 && endpoint["state"] == "active";
    until(&now, "delivered", is_done).await;
    let answered = answered.lock().clone();
    assert!(answered.len() > rounds() as usize);
    let messages = receiver.messages();
    check(&messages, &answered);
    for message in messages.iter().step_by(messages.len() / 5 + 1) {
        assert_eq!(message.signatures, signature_by_python(SECRET, message));
    }
    assert!(process.stop().unwrap().success());
    assert_clean(&site.data_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_up_no_stop_and_loses_nothing() {
    let receiver = Receiver::start().await;
    receiver.behave(|_| Reply::Never);
    let site = Site::near(&receiver, "types = ['transfer.posted']");
    let process = site.serve();
    let bank = Bank::of(&process);
    let id = deposit(&bank, "1").await.unwrap();
    let other = deposit(&bank, "2").await.unwrap();
    wait_for("two messages", || (receiver.count() == 2).then_some(())).await;
    // Within the bound of a stop, although a request may take 10 s.
    assert!(process.stop().unwrap().success());
    receiver.behave(|_| Reply::Status(StatusCode::NO_CONTENT));
    let process = site.serve();
    wait_for("both again", || (receiver.count() == 4).then_some(())).await;
    let messages = receiver.messages();
    let transfer = |message: &Message| message.json()["data"]["transfer"]["id"].clone();
    let again: BTreeSet<_> = messages[2..]
        .iter()
        .map(|m| transfer(m).to_string())
        .collect();
    assert_eq!(
        again,
        [json!(id).to_string(), json!(other).to_string()].into()
    );
    assert!(process.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed_and_failures_are_shown() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let to = elsewhere.url.clone();
    receiver.behave(move |_| Reply::Redirect(to.clone()));
    let site = Site::near(
        &receiver,
        "accounts = ['1', '2']\ntypes = ['transfer.posted']",
    );
    let mut process = site
        .serve_with(&["--metrics-listen", "127.0.0.1:0"])
        .unwrap();
    let bank = Bank::of(&process);
    deposit(&bank, "3").await.unwrap();
    let id = deposit(&bank, "1").await.unwrap();
    let failing =
        |endpoint: &Value| endpoint["state"] == "failing" && endpoint["requests_count"] == 0;
    let shown = until(&bank, "failing", failing).await;
    assert_eq!(shown["last_try"]["status"], 307, "{shown:#}");
    assert!(
        shown["next_try_at"].is_string() && shown["lag_ms"].is_u64(),
        "{shown:#}"
    );
    assert_eq!(
        shown["waiting_count"], 1,
        "only account 1 is asked for: {shown:#}"
    );
    let (_, deliveries) = bank.get("/v1/webhooks/test/deliveries?state=waiting").await;
    let [waiting] = &deliveries["deliveries"].as_array().unwrap()[..] else {
        panic!("{deliveries:#}");
    };
    assert_eq!(
        (&waiting["tries_count"], &waiting["event_type"]),
        (&json!(1), &json!("transfer.posted"))
    );
    process
        .wait_for_log(
            "webhook endpoint test does not take an event: it answered 307",
            PATIENCE,
        )
        .unwrap();
    // It is mended, and an operator does not want to wait.
    receiver.behave(|_| Reply::Status(StatusCode::OK));
    let enabled = bank
        .http
        .post(format!("{}/v1/webhooks/test/enable", bank.url));
    assert_eq!(enabled.send().await.unwrap().status(), 200);
    let is_done = |endpoint: &Value| endpoint["delivered_count"] == 1;
    until(&bank, "delivered", is_done).await;
    let messages = receiver.messages();
    assert_eq!(
        messages.last().unwrap().json()["data"]["transfer"]["id"],
        id
    );
    assert_eq!(elsewhere.count(), 0);
    let text = metrics(&mut process).await;
    for line in [
        r#"lastro_webhooks_tries_total{endpoint="test",outcome="delivered"} 1"#,
        r#"lastro_webhooks_tries_total{endpoint="test",outcome="failed"} 1"#,
        r#"lastro_webhooks_active{endpoint="test"} 1"#,
        r#"lastro_webhooks_dead_letters{endpoint="test"} 0"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_the_event_of_the_feed_and_can_be_replayed() {
    let receiver = Receiver::start().await;
    let site = Site::near(&receiver, "from = 'beginning'");
    let process = site.serve();
    let bank = Bank::of(&process);
    deposit(&bank, "1").await.unwrap();
    // The five accounts of the demo, and the deposit.
    wait_for("all events", || (receiver.count() == 6).then_some(())).await;
    let (_, page) = bank.get("/v1/events").await;
    let events = page["events"].as_array().unwrap();
    let messages = receiver.messages();
    let found: BTreeMap<_, _> = messages
        .iter()
        .map(|m| (m.webhook_id.clone(), m.json()))
        .collect();
    for event in events {
        let message = &found[event["position"].as_str().unwrap()];
        let expected =
            json!({"type": event["type"], "timestamp": event["timestamp"], "data": event});
        assert_eq!(message, &expected);
    }
    let replay = bank
        .http
        .post(format!("{}/v1/webhooks/test/replay", bank.url));
    let after = &events[3]["position"];
    let answer = replay.json(&json!({"after": after})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    wait_for("two again", || (receiver.count() == 8).then_some(())).await;
    let again = receiver.messages().split_off(6);
    let again: BTreeSet<_> = again.iter().map(|m| m.webhook_id.clone()).collect();
    let expected = [4, 5].map(|index| events[index]["position"].as_str().unwrap().to_owned());
    assert_eq!(again, expected.into());
    assert!(process.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_replaced_while_messages_are_sent() {
    let receiver = Receiver::start().await;
    let site = Site::near(&receiver, "types = ['transfer.posted']");
    let mut process = site.serve();
    let bank = Bank::of(&process);
    let next = async |count: usize| {
        deposit(&bank, "1").await.unwrap();
        wait_for("a message", || receiver.messages().get(count).cloned()).await
    };
    let message = next(0).await;
    assert_eq!(message.signatures, signature_by_python(SECRET, &message));
    // What cannot be used changes nothing.
    write_private(&site.secret(), "whsec_short");
    process.signal("HUP").unwrap();
    let refused = "CANNOT RELOAD the secrets of webhook endpoint test";
    process.wait_for_log(refused, PATIENCE).unwrap();
    let message = next(1).await;
    assert_eq!(message.signatures, signature_by_python(SECRET, &message));
    write_private(&site.secret(), OTHER_SECRET);
    process.signal("HUP").unwrap();
    let read = "the secrets of webhook endpoint test: read again";
    process.wait_for_log(read, PATIENCE).unwrap();
    let message = next(2).await;
    assert_eq!(
        message.signatures,
        signature_by_python(OTHER_SECRET, &message)
    );
    assert!(process.stop().unwrap().success());
    // Both at once, for receivers that know one of them.
    let old = site.folder.path().join("old");
    write_private(&old, SECRET);
    let config = std::fs::read_to_string(site.config()).unwrap();
    let both = format!(
        "secret_files = ['{}', '{}']",
        site.secret().display(),
        old.display()
    );
    let one = format!("secret_files = ['{}']", site.secret().display());
    std::fs::write(site.config(), config.replace(&one, &both)).unwrap();
    let mut process = site.serve();
    let bank = Bank::of(&process);
    deposit(&bank, "1").await.unwrap();
    let message = wait_for("a message", || receiver.messages().get(3).cloned()).await;
    let expected = [OTHER_SECRET, SECRET].map(|secret| signature_by_python(secret, &message));
    assert_eq!(message.signatures, expected.join(" "));
    let parts = ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "plJ3nmyCDGBK"];
    let logged = process.logged();
    let has_part = |line: &String| parts.iter().any(|part| line.contains(part));
    assert!(!logged.iter().any(has_part), "{logged:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_wherever_a_name_leads() {
    let receiver = Receiver::start().await;
    // A name says nothing at the start.
    let named = receiver.url.replace("127.0.0.1", "localhost");
    let site = Site::new(&named, "types = ['transfer.posted']");
    let process = site.serve();
    let bank = Bank::of(&process);
    deposit(&bank, "1").await.unwrap();
    let refused = |endpoint: &Value| endpoint["last_try"]["failure"].is_string();
    let shown = until(&bank, "refused", refused).await;
    let failure = shown["last_try"]["failure"].as_str().unwrap();
    assert!(
        failure.starts_with("localhost has no address that a webhook may go to: "),
        "{failure}"
    );
    assert_eq!(receiver.count(), 0);
    assert!(process.stop().unwrap().success());
    let site = Site::new(&receiver.url, "");
    let error = site.serve_with(&[]).unwrap_err();
    assert!(
        error.contains("127.0.0.1 has no address that a webhook may go to"),
        "{error}"
    );
    let checked = Command::new(binary())
        .args(["config", "check", "--config"])
        .arg(site.config())
        .output()
        .unwrap();
    assert!(!checked.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_machines_are_sent_to_over_tls_alone_unless_that_is_allowed() {
    let site = Site::new("http://hooks.example.com/a", "");
    let error = site.serve_with(&[]).unwrap_err();
    let expected = "webhook endpoint test: events would be sent to hooks.example.com unencrypted";
    assert!(error.contains(expected), "{error}");
    let mut process = site.serve_with(&["--plaintext"]).unwrap();
    process
        .wait_for_log("webhook endpoint test is new and begins at", PATIENCE)
        .unwrap();
    assert!(process.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_only_by_an_authority_of_the_configuration() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let receiver = Receiver::start_over_tls(&authority.certify(&["127.0.0.1"])).await;
    let site = Site::near(&receiver, "types = ['transfer.posted']\nca = 'CA'");
    let ca = site.folder.path().join("ca.pem");
    let config = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(
        site.config(),
        config.replace("'CA'", &format!("'{}'", ca.display())),
    )
    .unwrap();
    std::fs::write(&ca, other.pem()).unwrap();
    let process = site.serve();
    let bank = Bank::of(&process);
    deposit(&bank, "1").await.unwrap();
    let refused = |endpoint: &Value| endpoint["last_try"]["failure"].is_string();
    let shown = until(&bank, "refused", refused).await;
    let failure = shown["last_try"]["failure"].as_str().unwrap();
    assert!(failure.contains("invalid peer certificate"), "{failure}");
    assert_eq!(receiver.count(), 0);
    assert!(process.stop().unwrap().success());
    std::fs::write(&ca, authority.pem()).unwrap();
    let process = site.serve();
    let message = wait_for("a message", || receiver.messages().pop()).await;
    assert_eq!(message.signatures, signature_by_python(SECRET, &message));
    assert!(process.stop().unwrap().success());
}

/// The receiver of the guide, run as it stands there: it takes what is signed well, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_of_the_guide_takes_what_is_sent() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/webhooks.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, code) = guide.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let mut child = Command::new("python3")
        .args(["-c", code])
        .env("WEBHOOK_SECRET", SECRET)
        .env("PORT", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = printed.next().unwrap().unwrap();
    let port = first.strip_prefix("listening on port ").unwrap();
    let site = Site::new(
        &format!("http://127.0.0.1:{port}/lastro"),
        "allow_private = true\ntypes = ['transfer.posted']",
    );
    let process = site.serve();
    let bank = Bank::of(&process);
    let forged = bank
        .http
        .post(format!("http://127.0.0.1:{port}/lastro"))
        .header("webhook-id", "1")
        .header("webhook-timestamp", jiff::Timestamp::now().as_second())
        .header("webhook-signature", "v1,AAAA")
        .body("{}");
    assert_eq!(forged.send().await.unwrap().status(), 400);
    let mut expected = BTreeSet::new();
    for account in ["1", "2", "3"] {
        expected.insert(deposit(&bank, account).await.unwrap());
    }
    let lines = tokio::task::spawn_blocking(move || {
        printed.take(3).map(Result::unwrap).collect::<Vec<_>>()
    });
    let lines = tokio::time::timeout(PATIENCE, lines).await;
    let lines = lines.expect("three events").unwrap();
    let found = lines.iter().map(|line| {
        let (event_type, id) = line.split_once(' ').unwrap();
        assert_eq!(event_type, "transfer.posted");
        id.to_owned()
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    assert!(process.stop().unwrap().success());
    child.kill().unwrap();
    child.wait().unwrap();
}
