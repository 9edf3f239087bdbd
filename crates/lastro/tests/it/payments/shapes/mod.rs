//! Processors of other shapes than the 2025 challenge's, over TLS with a key: each payment is recorded once there, and
//! Lastro says so.

mod acquirer;
mod callbacks;
mod secrets;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::Method;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::LastroProcess;
use testkit::certificates::Authority;
use uuid::Uuid;

use super::lab::ms;
use crate::support::{assert_clean, binary, folder, tls_acceptor, write_private};
use acquirer::{Acquirer, Progress, Shape};

const PATIENCE: Duration = Duration::from_secs(120);
const KEY: &str = "acq_8f1c2f3e9b";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that pays through one processor.
struct Site {
    folder: TempDir,
    acquirer: Acquirer,
    authority: Authority,
    client: Client,
}

impl Site {
    /// `lines` go into the processor's table, and `more` behind it.
    async fn new(shape: Shape, lines: &str, more: &str) -> Self {
        let authority = Authority::new("ours");
        let certificate = authority.certify(&["127.0.0.1"]);
        let acquirer = Acquirer::start(shape, KEY, tls_acceptor(&certificate, None)).await;
        let site = Self {
            folder: folder(),
            acquirer,
            authority,
            client: Client::new(),
        };
        std::fs::write(site.file("ca.pem"), site.authority.pem()).unwrap();
        write_private(&site.file("key"), &format!("{KEY}\n"));
        write_private(&site.file("secret"), SECRET);
        let file = |name| site.file(name).display().to_string();
        let text = format!(
            "[[processors]]\nname = 'default'\nurl = '{}'\nca_file = '{}'\ntimeout_ms = 2000\n\
             headers = {{ Authorization = {{ file = '{}', prefix = 'Bearer ' }}, X-Merchant = 'm 42' }}\n{lines}\n{more}\n",
            site.acquirer.url,
            file("ca.pem"),
            file("key"),
        );
        std::fs::write(site.file("lastro.toml"), text).unwrap();
        site
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.file("data")
    }

    fn serve(&self) -> LastroProcess {
        let config = self.file("lastro.toml");
        let arguments = [
            "--demo",
            "--config",
            config.to_str().unwrap(),
            "--metrics-listen",
            "127.0.0.1:0",
        ];
        LastroProcess::serve(&binary(), &self.data(), &arguments).unwrap()
    }

    async fn pay(&self, process: &LastroProcess, id: Uuid, amount: u64) {
        let body = json!({
            "id": id, "currency": "BRL", "amount": amount, "description": "invoice \"88\"",
            "reference": format!("order {amount}"), "metadata": {"shop": "7"},
        });
        let url = format!("{}/v1/payments", process.url());
        let answer = self.client.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    async fn get(&self, process: &LastroProcess, path: &str) -> Value {
        let url = format!("{}{path}", process.url());
        self.client
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn shown(&self, process: &LastroProcess, id: Uuid) -> Value {
        self.get(process, &format!("/v1/payments/{id}")).await
    }

    /// The payment, once it is as asked for.
    async fn until(
        &self,
        process: &LastroProcess,
        id: Uuid,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let patience = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown(process, id).await;
            if is_so(&shown) {
                return shown;
            }
            assert!(Instant::now() < patience, "not {what}: {shown}");
            tokio::time::sleep(ms(20)).await;
        }
    }

    /// Both sides have the same payments, each once, and the same sums.
    async fn audit(&self, process: &LastroProcess, paid: &[(Uuid, u64)]) {
        for (id, amount) in paid {
            let is_settled = |shown: &Value| shown["state"] == "settled";
            let shown = self.until(process, *id, "settled", is_settled).await;
            assert_eq!(
                (&shown["amount"], &shown["processor"]),
                (&json!(amount), &json!("default"))
            );
        }
        let kept = self.acquirer.kept();
        let kept = kept.iter().filter(|kept| kept.progress == Progress::Paid);
        let mut kept: Vec<_> = kept.map(|kept| (kept.id, kept.minor)).collect();
        let mut paid = paid.to_vec();
        kept.sort_unstable();
        paid.sort_unstable();
        assert_eq!(kept, paid);
        let sum: u64 = paid.iter().map(|(_, amount)| amount).sum();
        let summary = self.get(process, "/payments-summary").await;
        assert_eq!(
            summary["default"]["totalRequests"],
            json!(paid.len()),
            "{summary}"
        );
        let total = summary["default"]["totalAmount"].as_f64().unwrap() * 100.0;
        assert_eq!(format!("{total:.0}"), sum.to_string(), "{summary}");
        let account = self
            .get(process, "/v1/accounts/processor:default:BRL")
            .await;
        assert_eq!(account["balance"], json!(sum), "{account}");
        self.acquirer.assert_no_faults();
    }
}

/// Ids that meet each mood of a processor.
fn ids(count: u64) -> Vec<(Uuid, u64)> {
    let number =
        |n: u64| Uuid::from_u128(u128::from(Uuid::new_v4().as_u64_pair().0) << 64 | u128::from(n));
    (0..count).map(|n| (number(n), 1_000 + n)).collect()
}

fn state(progress: Progress, [undecided, paid, declined]: [&str; 3]) -> Value {
    json!(match progress {
        Progress::Undecided => undecided,
        Progress::Paid => paid,
        Progress::Declined => declined,
    })
}

/// The shape of the template `intent`.
fn intent() -> Shape {
    Shape {
        request: (Method::POST, "/v1/payments", false),
        lookup: "/v1/payments/",
        read: |body, _| {
            (
                body["id"].as_str().unwrap().parse().unwrap(),
                body["amount"].as_u64().unwrap(),
                body["currency"].as_str().unwrap().to_owned(),
            )
        },
        show: |kept| {
            let status = state(kept.progress, ["processing", "succeeded", "failed"]);
            // A text for a number.
            json!({
                "id": kept.id, "status": status, "amount": kept.minor.to_string(),
                "currency": kept.currency, "created": kept.made_at.as_second(),
            })
        },
        status: |_| 201,
        conflicts: false,
    }
}

/// The shape of the template `transfer`.
fn transfer() -> Shape {
    Shape {
        request: (Method::PUT, "/transfers/", true),
        lookup: "/transfers/",
        read: |body, id| {
            let amount = body["amount"]["value"].as_str().unwrap().replace('.', "");
            let currency = body["amount"]["currency"].as_str().unwrap();
            (
                id.unwrap().parse().unwrap(),
                amount.parse().unwrap(),
                currency.to_owned(),
            )
        },
        show: |kept| {
            let state = state(kept.progress, ["pending", "completed", "rejected"]);
            let value = format!("{}.{:02}", kept.minor / 100, kept.minor % 100);
            // A time without an offset.
            let at = kept.made_at.to_string().replace('Z', "");
            json!({
                "id": kept.id, "state": state, "completed_at": at,
                "amount": {"value": value, "currency": kept.currency},
            })
        },
        status: |kept| {
            if kept.progress == Progress::Undecided {
                202
            } else {
                200
            }
        },
        conflicts: true,
    }
}

/// A shape of its own, described in the configuration.
const OWN: &str = r#"
[templates.own]
[templates.own.request]
method = "POST"
path = "/charges?source=lastro"
headers = { X-Request = "charge {id}" }
body = '{"charge": {"ref": "{id}", "cents": "{amount_minor}", "cur": {currency}, "note": {description}, "order": {reference}, "tags": {metadata}}}'
answers = [
    { status = "200", field = "charge.ok", is = ["true"], means = "recorded" },
    { status = "202", means = "pending" },
    { status = "409", means = "unknown" },
]
[templates.own.lookup]
path = "/charges/{id}"
answers = [
    { status = "200", field = "charge.ok", is = ["true"], means = "recorded" },
    { status = "200", field = "charge.ok", is = ["false"], means = "pending" },
    { status = "404", means = "absent" },
]
id_field = "charge.ref"
amount = { field = "charge.parts.0", unit = "decimal" }
requested_at = { field = "charge.at", format = "unix_ms" }
"#;

fn own() -> Shape {
    Shape {
        request: (Method::POST, "/charges", false),
        lookup: "/charges/",
        read: |body, _| {
            let charge = &body["charge"];
            (
                charge["ref"].as_str().unwrap().parse().unwrap(),
                charge["cents"].as_str().unwrap().parse().unwrap(),
                charge["cur"].as_str().unwrap().to_owned(),
            )
        },
        show: |kept| {
            let amount = format!("{}.{:02}", kept.minor / 100, kept.minor % 100);
            json!({"charge": {
                "ref": kept.id, "ok": kept.progress == Progress::Paid, "parts": [amount],
                "at": kept.made_at.as_millisecond(),
            }})
        },
        status: |kept| {
            if kept.progress == Progress::Undecided {
                202
            } else {
                200
            }
        },
        conflicts: false,
    }
}

/// Whatever mood the processor is in when a payment comes.
async fn each_payment_is_recorded_once(shape: Shape, lines: &str, more: &str) -> Site {
    let site = Site::new(shape, lines, more).await;
    site.acquirer.has_moods();
    let process = site.serve();
    let payments = ids(24);
    for (id, amount) in &payments {
        site.pay(&process, *id, *amount).await;
    }
    site.audit(&process, &payments).await;
    assert_eq!(site.acquirer.unauthorized_count(), 0);
    assert!(process.stop().unwrap().success());
    assert_clean(&site.data());
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intent_shape_records_each_payment_once() {
    let site = each_payment_is_recorded_once(intent(), "template = 'intent'", "").await;
    let (body, headers) = site.acquirer.requests().pop().unwrap();
    assert_eq!(headers["idempotency-key"], body["id"]);
    assert_eq!(
        (&headers["x-merchant"], &*headers["content-type"]),
        (&"m 42".to_owned(), "application/json")
    );
    assert_eq!(body["currency"], "brl");
    assert_eq!(body["description"], "invoice \"88\"");
    assert_eq!(body["reference"], format!("order {}", body["amount"]));
    assert_eq!(body["metadata"], json!({"shop": "7"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transfer_shape_records_each_payment_once() {
    each_payment_is_recorded_once(transfer(), "template = 'transfer'", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shape_of_the_configuration_records_each_payment_once() {
    let site = each_payment_is_recorded_once(own(), "template = 'own'", OWN).await;
    let (body, headers) = site.acquirer.requests().pop().unwrap();
    let charge = &body["charge"];
    assert_eq!(
        headers["x-request"],
        format!("charge {}", charge["ref"].as_str().unwrap())
    );
    assert_eq!(charge["note"], "invoice \"88\"");
    assert_eq!(charge["tags"], json!({"shop": "7"}));
}

/// A payment that is not decided is asked for until it is; one that is declined there is refused.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_later_is_settled_or_refused_then() {
    for (shape, template) in [(intent(), "intent"), (transfer(), "transfer")] {
        let site = Site::new(shape, &format!("template = '{template}'"), "").await;
        site.acquirer.begins_with(Progress::Undecided);
        let mut process = site.serve();
        let payments = ids(6);
        let ((first, _), paid) = (payments[0], &payments[1..]);
        for (id, amount) in &payments {
            site.pay(&process, *id, *amount).await;
        }
        for (id, _) in &payments {
            let is_pending = |shown: &Value| shown["dispatch"]["state"] == "pending";
            let shown = site.until(&process, *id, "pending", is_pending).await;
            assert_eq!(shown["state"], "sent", "{shown}");
        }
        // Another process asks for them, too.
        process.kill();
        process = site.serve();
        for (id, _) in &payments {
            let is_pending = |shown: &Value| shown["dispatch"]["state"] == "pending";
            site.until(&process, *id, "pending", is_pending).await;
        }
        site.acquirer.decide(first, Progress::Declined);
        for (id, _) in paid {
            site.acquirer.decide(*id, Progress::Paid);
        }
        let is_refused = |shown: &Value| shown["state"] == "refused";
        let shown = site.until(&process, first, "refused", is_refused).await;
        assert_eq!(shown["code"], "processor_refused", "{shown}");
        site.audit(&process, paid).await;
        assert_eq!(site.acquirer.requests().len(), payments.len(), "{template}");
        assert!(process.stop().unwrap().success());
        assert_clean(&site.data());
    }
}
