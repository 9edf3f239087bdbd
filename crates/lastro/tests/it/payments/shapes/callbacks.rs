//! A processor says by itself that it has decided: it is asked at once, and only its answer counts.

use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use testkit::LastroProcess;
use uuid::Uuid;

use super::acquirer::Progress;
use super::{SECRET, Site, ids, intent};
use crate::support::write_private;

const OTHER_SECRET: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl9nGGEr6Ss2mGB7Xa6U4=";
const BODY: &str = r#"{"type":"payment.updated","data":{"status":"succeeded"}}"#;

/// The signature as another implementation makes it.
fn signature(secret: &str, webhook_id: &str, timestamp_s: i64) -> String {
    let code = "import base64, hashlib, hmac, sys\n\
        key = base64.b64decode(sys.argv[1].removeprefix('whsec_'))\n\
        print('v1,' + base64.b64encode(hmac.new(key, sys.argv[2].encode(), hashlib.sha256).digest()).decode())";
    let signed = format!("{webhook_id}.{timestamp_s}.{BODY}");
    let output = Command::new("python3")
        .args(["-c", code, secret, &signed])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Site {
    /// Sends a callback; returns what it was answered.
    async fn call_back(
        &self,
        process: &LastroProcess,
        id: Uuid,
        secret: &str,
        age_s: i64,
    ) -> (u16, String) {
        let timestamp_s = jiff::Timestamp::now().as_second() - age_s;
        let url = format!("{}/v1/payments/{id}/callback", process.url());
        let request = self
            .client
            .post(url)
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature(secret, "msg_1", timestamp_s))
            .body(BODY);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn config_of_callbacks(&self) {
        let config = std::fs::read_to_string(self.file("lastro.toml")).unwrap();
        let secrets = format!(
            "callback_secret_files = ['{}']\nca_file",
            self.file("secret").display()
        );
        std::fs::write(
            self.file("lastro.toml"),
            config.replacen("ca_file", &secrets, 1),
        )
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_leads_to_a_question_at_once_and_is_not_believed() {
    let site = Site::new(intent(), "template = 'intent'", "").await;
    site.config_of_callbacks();
    site.acquirer.begins_with(Progress::Undecided);
    let mut process = site.serve();
    let payments = ids(3);
    for (id, amount) in &payments {
        site.pay(&process, *id, *amount).await;
    }
    let (id, _) = payments[0];
    // Until it is asked only seldom.
    let is_seldom = |lookups: &[Instant]| matches!(lookups, [.., before, last] if *last - *before > super::ms(3_000));
    let patience = Instant::now() + super::PATIENCE;
    while !payments
        .iter()
        .all(|(id, _)| is_seldom(&site.acquirer.lookups(*id)))
    {
        assert!(Instant::now() < patience, "{:?}", site.acquirer.lookups(id));
        tokio::time::sleep(super::ms(20)).await;
    }
    // What it says is not what the processor answers.
    let asked_before = site.acquirer.lookups(id).len();
    assert_eq!(site.call_back(&process, id, SECRET, 0).await.0, 204);
    let patience = Instant::now() + super::ms(2_000);
    while site.acquirer.lookups(id).len() == asked_before {
        assert!(Instant::now() < patience, "it is not asked");
        tokio::time::sleep(super::ms(10)).await;
    }
    assert_eq!(site.shown(&process, id).await["state"], "sent");
    // Nobody but the processor is heard.
    let asked_before = site.acquirer.lookups(payments[1].0).len();
    for (secret, age_s) in [(OTHER_SECRET, 0), (SECRET, 301), (SECRET, -310)] {
        let (status, body) = site.call_back(&process, payments[1].0, secret, age_s).await;
        assert_eq!(status, 401, "{body}");
        assert!(body.contains("\"signature_invalid\""), "{body}");
    }
    let asked = site.acquirer.lookups(payments[1].0).len() - asked_before;
    assert!(asked <= 1, "asked {asked} times");
    // Each is settled as soon as it is decided, long before the next question was due.
    for (id, _) in &payments {
        site.acquirer.decide(*id, Progress::Paid);
        assert_eq!(site.call_back(&process, *id, SECRET, 0).await.0, 204);
        let began = Instant::now();
        let is_settled = |shown: &Value| shown["state"] == "settled";
        site.until(&process, *id, "settled", is_settled).await;
        assert!(began.elapsed() < super::ms(2_000), "{:?}", began.elapsed());
    }
    site.audit(&process, &payments).await;
    // One that nobody knows changes nothing.
    assert_eq!(
        site.call_back(&process, Uuid::new_v4(), SECRET, 0).await.0,
        204
    );
    // The secret is replaced while the server runs.
    write_private(&site.file("secret"), OTHER_SECRET);
    process
        .wait_for_log(
            "the callback secrets of processor default: read again",
            super::PATIENCE,
        )
        .unwrap();
    assert_eq!(site.call_back(&process, id, SECRET, 0).await.0, 401);
    assert_eq!(site.call_back(&process, id, OTHER_SECRET, 0).await.0, 204);
    assert!(process.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_are_not_taken_where_no_processor_sends_any() {
    let site = Site::new(intent(), "template = 'intent'", "").await;
    let process = site.serve();
    let (status, body) = site.call_back(&process, Uuid::new_v4(), SECRET, 0).await;
    assert_eq!(status, 501, "{body}");
    assert!(process.stop().unwrap().success());
}
