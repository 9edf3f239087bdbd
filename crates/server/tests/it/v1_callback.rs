//! Callbacks of processors: only what is signed, and recent, reaches the dispatcher.

use std::sync::Arc;
use std::time::Duration;

use events::WebhookSecrets;
use ledger::{Clock, PaymentId, Timestamp, Unavailable};
use parking_lot::Mutex;
use payments::{ProcessorIndex, TakesCallbacks};
use reqwest::Method;
use server::{Callbacks, Keys, KeysOptions};

use crate::support::{Face, Setup, five_accounts};

/// The example of the Standard Webhooks libraries.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SIGNED_AT: u64 = 1_614_265_330;
const BODY: &str = r#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

struct At(u64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0 * 1_000_000_000)
    }
}

#[derive(Default)]
struct Told {
    calls: Mutex<Vec<(PaymentId, ProcessorIndex)>>,
    is_full: bool,
}

impl TakesCallbacks for Told {
    fn called_back(&self, id: PaymentId, processor: ProcessorIndex) -> Result<(), Unavailable> {
        if self.is_full {
            return Err(Unavailable::Overloaded);
        }
        self.calls.lock().push((id, processor));
        Ok(())
    }
}

/// A face on which the third processor may send callbacks, as its clock is so many seconds after the message.
async fn face(told: &Arc<Told>, later_s: i64) -> Face {
    let secrets = WebhookSecrets::new(vec![SECRET.parse().unwrap()]);
    let told = Arc::clone(told) as Arc<dyn TakesCallbacks>;
    let setup = Setup {
        callbacks: Some(Callbacks::new(
            vec![(ProcessorIndex::new(2), secrets)],
            told,
        )),
        clock: Arc::new(At(SIGNED_AT.checked_add_signed(later_s).unwrap())),
        // It needs no key.
        keys: Keys::new(Vec::new(), KeysOptions::default()).unwrap(),
        ..Setup::over(five_accounts().await)
    };
    setup.start().await
}

async fn call_back(face: &Face, id: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut request = face.request(Method::POST, &format!("/v1/payments/{id}/callback"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_owned()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

const HEADERS: [(&str, &str); 3] = [
    ("webhook-id", MESSAGE),
    ("webhook-timestamp", "1614265330"),
    ("webhook-signature", SIGNATURE),
];

#[tokio::test]
async fn what_is_signed_reaches_the_dispatcher_and_nothing_else_does() {
    let told = Arc::new(Told::default());
    let face = face(&told, 0).await;
    let taken = call_back(&face, ID, &HEADERS, BODY).await;
    assert_eq!(taken, (204, String::new()));
    let expected = (
        PaymentId::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
        ProcessorIndex::new(2),
    );
    assert_eq!(std::mem::take(&mut *told.calls.lock()), [expected]);
    let other = |name: &'static str, value: &'static str| {
        let of = |header: &(&'static str, &'static str)| match header.0 == name {
            true => (name, value),
            false => *header,
        };
        HEADERS.iter().map(of).collect::<Vec<_>>()
    };
    for (headers, body) in [
        (vec![], BODY),
        (HEADERS.to_vec(), "{}"),
        (HEADERS[..2].to_vec(), BODY),
        ([&HEADERS[..], &HEADERS[..1]].concat(), BODY),
        (other("webhook-id", "msg_other"), BODY),
        (other("webhook-timestamp", "1614265331"), BODY),
        (other("webhook-timestamp", "+1614265330"), BODY),
        (other("webhook-timestamp", "soon"), BODY),
        (other("webhook-signature", "v1,AAAA"), BODY),
    ] {
        let (status, answer) = call_back(&face, ID, &headers, body).await;
        assert_eq!(status, 401, "{headers:?}: {answer}");
        assert!(
            answer.contains("\"code\":\"signature_invalid\""),
            "{answer}"
        );
    }
    let (status, answer) = call_back(&face, "invoice", &HEADERS, BODY).await;
    assert_eq!(status, 400, "{answer}");
    assert!(told.calls.lock().is_empty());
}

#[tokio::test]
async fn a_callback_is_taken_for_five_minutes() {
    for (later_s, expected) in [(300, 204), (301, 401), (-300, 204), (-301, 401)] {
        let told = Arc::new(Told::default());
        let face = face(&told, later_s).await;
        let (status, answer) = call_back(&face, ID, &HEADERS, BODY).await;
        assert_eq!(status, expected, "{later_s}: {answer}");
    }
}

#[tokio::test]
async fn a_dispatcher_that_has_enough_to_do_is_told_again() {
    let told = Arc::new(Told {
        is_full: true,
        ..Told::default()
    });
    let face = face(&told, 0).await;
    let (status, answer) = call_back(&face, ID, &HEADERS, BODY).await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains("\"overloaded\""), "{answer}");
}

#[tokio::test]
async fn a_stranger_is_slowed_down() {
    let told = Arc::new(Told::default());
    let face = face(&told, 0).await;
    let mut statuses = Vec::new();
    let began = std::time::Instant::now();
    while !statuses.contains(&429) {
        statuses.push(call_back(&face, ID, &[], BODY).await.0);
        assert!(began.elapsed() < Duration::from_secs(60), "{statuses:?}");
    }
    assert!(statuses.iter().all(|status| [401, 429].contains(status)));
    // Who is known is heard all the same.
    assert_eq!(call_back(&face, ID, &HEADERS, BODY).await.0, 204);
}
