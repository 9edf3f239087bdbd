//! `/v1/batches`: each command alone, or all or nothing.

use std::sync::Arc;

use ledger::Engine;
use reqwest::Method;
use serde_json::{Value, json};
use server::{Keys, KeysOptions};

use crate::support::{
    Face, Held, Keyring, Setup, answer, as_read, everything, five, five_accounts, new_id,
};

fn transfer(id: &str, from: &str, to: &str, amount: u64) -> Value {
    json!({
        "kind": "transfer", "id": id, "debit_account_id": from, "credit_account_id": to,
        "amount": amount, "description": "x",
    })
}

fn independent(commands: &[Value]) -> Value {
    json!({"atomic": false, "commands": commands})
}

fn atomic(id: &str, commands: &[Value]) -> Value {
    json!({"atomic": true, "id": id, "commands": commands})
}

/// Status and code of each outcome.
fn told(body: &Value) -> Vec<(u64, &str)> {
    let outcomes = body["outcomes"].as_array().unwrap();
    let one = |outcome: &'_ Value| outcome["status"].as_u64().unwrap();
    outcomes
        .iter()
        .map(|outcome| (one(outcome), outcome["code"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn every_kind_of_command_is_taken() {
    let (face, _) = five().await;
    let (moved, held, freed) = (new_id(), new_id(), new_id());
    let hold = |id: &str, timeout_s: u32| {
        let mut command = transfer(id, "a", "1", 30);
        command["timeout_s"] = json!(timeout_s);
        command
    };
    let body = independent(&[
        json!({"kind": "open_account", "account_id": "a", "currency": "BRL", "credit_limit": 0}),
        transfer(&moved, "world:BRL", "a", 100),
        hold(&held, 60),
        hold(&freed, 0),
        json!({"kind": "post", "id": new_id(), "pending_id": held, "amount": 10}),
        json!({"kind": "void", "id": new_id(), "pending_id": freed}),
        json!({"kind": "change_limit", "account_id": "a", "credit_limit": 5}),
        transfer(&new_id(), "a", "1", 90),
        json!({"kind": "close_account", "account_id": "a"}),
    ]);
    let answer = face.post("/v1/batches", body).await;
    assert_eq!((answer.status, answer.replayed), (200, false), "{answer:?}");
    assert_eq!(answer.body["atomic"], false);
    assert!(answer.body.get("id").is_none());
    assert_eq!(told(&answer.body), [(201, "created"); 9]);
    let outcomes = answer.body["outcomes"].as_array().unwrap();
    assert_eq!(outcomes[0]["account"]["id"], "a");
    assert_eq!(outcomes[2]["transfer"]["kind"], "pend");
    assert_eq!(outcomes[3]["transfer"]["timeout_s"], 0);
    assert_eq!(outcomes[4]["transfer"]["pending_id"], held.as_str());
    assert_eq!(outcomes[5]["transfer"]["kind"], "void");
    assert_eq!(outcomes[6]["account"]["credit_limit"], 5);
    assert_eq!(outcomes[8]["account"]["closed"], true);
    // Each is what its own route tells.
    let path = format!("/v1/transfers/{moved}");
    assert_eq!(
        as_read(&outcomes[1]["transfer"]),
        face.get(&path).await.body
    );
    assert_eq!(
        outcomes[8]["account"],
        face.get("/v1/accounts/a").await.body
    );
}

#[tokio::test]
async fn independent_commands_stand_alone() {
    let (face, engine) = five().await;
    let id = new_id();
    let body = independent(&[
        transfer(&id, "1", "2", 100_000),
        transfer(&new_id(), "1", "2", 1),
        transfer(&id, "1", "2", 100_000),
        transfer(&id, "1", "2", 7),
        transfer(&new_id(), "1", "nobody", 7),
        transfer(&new_id(), "2", "1", 0),
        json!({"kind": "post", "id": new_id(), "pending_id": new_id()}),
        json!({"kind": "close_account", "account_id": "1"}),
    ]);
    let first = face.post("/v1/batches", body.clone()).await;
    assert_eq!((first.status, first.replayed), (200, false));
    let refused_alike = [
        (404, "account_not_found"),
        (422, "amount_out_of_range"),
        (404, "pending_not_found"),
        (422, "account_in_use"),
    ];
    let mut expected = vec![
        (201, "created"),
        (422, "insufficient_funds"),
        (200, "exists"),
        (409, "exists_with_different_amount"),
    ];
    expected.extend(refused_alike);
    assert_eq!(told(&first.body), expected);
    let refused = &first.body["outcomes"][1];
    assert_eq!(refused["problem"]["available"], 0);
    assert_eq!(refused["problem"]["code"], refused["code"]);
    assert_eq!(refused["problem"]["status"], refused["status"]);
    assert_eq!(first.body["outcomes"][2]["replayed"], true);
    assert_eq!(
        first.body["outcomes"][0]["transfer"],
        first.body["outcomes"][2]["transfer"]
    );

    // Those with an id are answered as before; those without one are decided anew.
    let before = everything(&engine);
    let again = face.post("/v1/batches", body).await;
    assert!(!again.replayed);
    expected[0] = (200, "exists");
    assert_eq!(told(&again.body), expected);
    assert_eq!(again.body["outcomes"][1]["replayed"], true);
    assert_eq!(everything(&engine), before);
    let only = independent(&[transfer(&id, "1", "2", 100_000)]);
    assert!(face.post("/v1/batches", only).await.replayed);
}

#[tokio::test]
async fn an_atomic_batch_is_applied_once() {
    let (face, engine) = five().await;
    let id = new_id();
    let body = atomic(
        &id,
        &[
            transfer(&new_id(), "1", "2", 100_000),
            transfer(&new_id(), "2", "3", 180_000),
        ],
    );
    let first = face.post("/v1/batches", body.clone()).await;
    assert_eq!((first.status, first.replayed), (200, false), "{first:?}");
    assert_eq!(
        (&first.body["id"], &first.body["atomic"]),
        (&json!(id), &json!(true))
    );
    assert_eq!(told(&first.body), [(201, "created"); 2]);
    let before = everything(&engine);
    let again = face.post("/v1/batches", body.clone()).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(told(&again.body), [(200, "exists"); 2]);
    assert_eq!(
        again.body["outcomes"][1]["transfer"],
        first.body["outcomes"][1]["transfer"]
    );
    let mut other = body;
    other["commands"][0]["amount"] = json!(1);
    let other = face.post("/v1/batches", other).await;
    assert_eq!(other.problem(), (409, "exists_with_different_members"));
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn a_failed_atomic_batch_says_who_failed_it() {
    let (face, engine) = five().await;
    let before = everything(&engine).0;
    let first_id = new_id();
    let body = atomic(
        &new_id(),
        &[
            transfer(&first_id, "1", "2", 10),
            transfer(&new_id(), "1", "2", 99_991),
            transfer(&new_id(), "2", "1", 5),
        ],
    );
    let failed = face.post("/v1/batches", body.clone()).await;
    assert_eq!(failed.problem(), (422, "batch_member_failed"));
    assert!(!failed.replayed);
    assert_eq!(
        (&failed.body["index"], &failed.body["id"]),
        (&json!(1), &body["id"])
    );
    let expected = [
        (422, "batch_member_failed"),
        (422, "insufficient_funds"),
        (422, "batch_member_failed"),
    ];
    assert_eq!(told(&failed.body), expected);
    assert_eq!(failed.body["outcomes"][1]["problem"]["available"], 99_990);
    assert_eq!(everything(&engine).0, before);

    // It is remembered, although by now it could be applied.
    face.transact(1, "c", 1, "x").await;
    let again = face.post("/v1/batches", body.clone()).await;
    assert!(again.replayed);
    assert_eq!(again.problem(), (422, "batch_member_failed"));
    assert_eq!(told(&again.body), expected);
    // Its members' ids are free.
    let mut anew = body;
    anew["id"] = json!(new_id());
    let applied = face.post("/v1/batches", anew).await;
    assert_eq!((applied.status, applied.replayed), (200, false));

    // A member that was used before fails a new batch.
    let body = atomic(
        &new_id(),
        &[
            transfer(&new_id(), "2", "1", 1),
            transfer(&first_id, "1", "2", 10),
        ],
    );
    let failed = face.post("/v1/batches", body).await;
    assert_eq!(failed.problem(), (422, "batch_member_failed"));
    assert_eq!(failed.body["index"], 1);
    assert_eq!(
        told(&failed.body),
        [(422, "batch_member_failed"), (200, "exists")]
    );
}

#[tokio::test]
async fn only_an_atomic_batch_has_an_id() {
    let (face, _) = five().await;
    let commands = || {
        vec![transfer(
            "00000000-0000-4000-9000-000000000001",
            "1",
            "2",
            1,
        )]
    };
    let keyed = |key, body| face.keyed(Method::POST, "/v1/batches", key, body);
    let mut body = independent(&commands());
    let unexpected = (400, "batch_id_unexpected");
    assert_eq!(keyed("a", body.clone()).await.problem(), unexpected);
    body["id"] = json!(new_id());
    let answer = face.post("/v1/batches", body).await;
    assert_eq!(answer.problem(), unexpected);

    let body = json!({"atomic": true, "commands": commands()});
    let missing = face.post("/v1/batches", body.clone()).await;
    assert_eq!(missing.problem(), (400, "id_missing"));
    let first = keyed("a", body.clone()).await;
    assert_eq!((first.status, first.replayed), (200, false));
    let again = keyed("a", body).await;
    assert_eq!((again.status, again.replayed), (200, true));
    let conflict = keyed("a", atomic(&new_id(), &commands())).await;
    assert_eq!(conflict.problem(), (400, "idempotency_key_conflict"));
    let bad = face.post("/v1/batches", atomic("7", &commands())).await;
    assert_eq!(bad.problem(), (400, "id_invalid"));
}

/// The ids follow from that of the batch: the same request, sent again, is the same batch.
#[tokio::test]
async fn members_of_an_atomic_batch_need_no_ids() {
    let (face, engine) = five().await;
    let nameless = |amount: u64| {
        let mut commands = [
            transfer("", "world:BRL", "1", 100),
            transfer("", "1", "2", amount),
            json!({"kind": "open_account", "account_id": "a", "currency": "BRL", "credit_limit": 0}),
            transfer("", "1", "3", 5),
        ];
        for command in &mut commands {
            command.as_object_mut().unwrap().remove("id");
        }
        json!({"atomic": true, "commands": commands})
    };
    let keyed = |key, body| face.keyed(Method::POST, "/v1/batches", key, body);
    let first = keyed("basket 7", nameless(30)).await;
    assert_eq!((first.status, first.replayed), (200, false), "{first:?}");
    let ids = |answer: &Value| {
        let outcomes = answer["outcomes"].as_array().unwrap();
        let ids = outcomes
            .iter()
            .filter_map(|outcome| outcome["transfer"]["id"].as_str());
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let made = ids(&first.body);
    let distinct: std::collections::BTreeSet<_> = made.iter().collect();
    assert_eq!((made.len(), distinct.len()), (3, 3), "{made:?}");
    let found = face.get(&format!("/v1/transfers/{}", made[1])).await;
    assert_eq!(found.body["amount"], 30);
    let before = everything(&engine);
    let again = keyed("basket 7", nameless(30)).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(ids(&again.body), made);
    let other = keyed("basket 7", nameless(31)).await;
    assert_eq!(other.problem(), (409, "exists_with_different_members"));
    assert_eq!(everything(&engine), before);
    // Where each command stands alone, nothing is there that an id could follow from.
    let mut alone = nameless(30);
    alone["atomic"] = json!(false);
    let refused = face.post("/v1/batches", alone).await;
    assert_eq!(refused.problem(), (400, "id_missing"));
    assert_eq!(refused.body["index"], 0);
}

#[tokio::test]
async fn a_batch_has_its_bounds() {
    let (face, engine) = five().await;
    let many = |count: usize| -> Vec<Value> {
        let one = |_| transfer(&new_id(), "world:BRL", "1", 1);
        (0..count).map(one).collect()
    };
    let full = face.post("/v1/batches", independent(&many(8_190))).await;
    assert_eq!(full.status, 200);
    assert_eq!(told(&full.body), vec![(201, "created"); 8_190]);
    let before = everything(&engine);
    for (body, expected) in [
        (independent(&many(8_191)), (413, "batch_too_large")),
        (atomic(&new_id(), &many(8_191)), (413, "batch_too_large")),
        (independent(&[]), (400, "batch_empty")),
        (atomic(&new_id(), &[]), (400, "batch_empty")),
    ] {
        assert_eq!(face.post("/v1/batches", body).await.problem(), expected);
    }
    // Tiny members: what is sent is far more than what is kept of it.
    let mut tiny = "{\"atomic\":false,\"commands\":[{\"kind\":\"x\"}".to_owned();
    tiny.push_str(&",{\"kind\":\"x\"}".repeat(200_000));
    tiny.push_str("]}");
    let request = face.request(Method::POST, "/v1/batches").body(tiny);
    let request = request.header("content-type", "application/json");
    let answer = answer(request).await;
    assert_eq!(answer.problem(), (413, "batch_too_large"));
    assert_eq!(everything(&engine), before);
}

/// What is no command at all refuses the batch, and nothing is done.
#[tokio::test]
async fn a_malformed_command_is_named() {
    let (face, engine) = five().await;
    let before = everything(&engine);
    let good = || transfer("00000000-0000-4000-9000-000000000001", "world:BRL", "1", 1);
    let with = |member: &str, value: Value| {
        let mut command = good();
        command[member] = value;
        command
    };
    let invalid = (400, "json_invalid");
    for (command, expected) in [
        (with("kind", json!("pend")), invalid),
        (with("kind", json!("expire")), invalid),
        (with("kind", json!("")), invalid),
        (with("kind", json!("void")), invalid),
        (with("pending_id", json!(new_id())), invalid),
        (with("currency", json!("BRL")), invalid),
        (with("id", json!(null)), (400, "id_missing")),
        (with("id", json!("1")), (400, "id_invalid")),
        (with("reference", json!("")), (400, "reference_invalid")),
        (
            with("metadata", json!({"": "x"})),
            (400, "metadata_invalid"),
        ),
        (
            with("debit_account_id", json!("")),
            (400, "account_id_invalid"),
        ),
        (with("debit_account_id", json!(null)), invalid),
        (with("credit_account_id", json!(null)), invalid),
        (with("amount", json!(null)), invalid),
        (with("amount", json!(-1)), (422, "amount_out_of_range")),
        (with("description", json!(null)), invalid),
        (with("timeout_s", json!(-1)), (422, "timeout_out_of_range")),
        (
            with("timeout_s", json!(4_294_967_296_u64)),
            (422, "timeout_out_of_range"),
        ),
        (json!({"kind": "post", "id": new_id()}), invalid),
        (
            json!({"kind": "post", "pending_id": new_id()}),
            (400, "id_missing"),
        ),
        (
            json!({"kind": "void", "id": new_id(), "pending_id": "x"}),
            (400, "id_invalid"),
        ),
        (
            json!({"kind": "void", "id": new_id(), "pending_id": new_id(), "amount": 1}),
            invalid,
        ),
        (json!({"kind": "open_account"}), invalid),
        (
            json!({"kind": "open_account", "account_id": "..", "currency": "BRL", "credit_limit": 1}),
            (400, "account_id_invalid"),
        ),
        (
            json!({"kind": "open_account", "account_id": "a", "currency": "BR", "credit_limit": 1}),
            (400, "currency_invalid"),
        ),
        (json!({"kind": "change_limit", "account_id": "1"}), invalid),
        (
            json!({"kind": "change_limit", "account_id": "1", "credit_limit": -1}),
            (422, "amount_out_of_range"),
        ),
        (
            json!({"kind": "close_account", "account_id": " "}),
            (400, "account_id_invalid"),
        ),
        (json!({"kind": "close_account", "id": new_id()}), invalid),
    ] {
        let body = independent(&[good(), command.clone()]);
        let answer = face.post("/v1/batches", body).await;
        assert_eq!(answer.problem(), expected, "{command}");
        assert_eq!(answer.body["index"], 1, "{command}: {answer:?}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.starts_with("commands[1]: "), "{detail}");
    }
    for command in [
        json!(1),
        json!(null),
        json!([]),
        json!({}),
        with("amount", json!("1")),
        with("amount", json!(1.5)),
        with("kind", json!(1)),
        with("colour", json!(1)),
        with("metadata", json!({"a": 1})),
    ] {
        let body = independent(&[good(), command.clone()]);
        let answer = face.post("/v1/batches", body).await;
        assert_eq!(answer.problem(), invalid, "{command}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.starts_with("commands[1]: "), "{detail}");
    }
    assert_eq!(everything(&engine), before);
}

/// The status and body under a batch's id.
async fn decided(face: &Face, id: &str) -> (u16, Value) {
    let answer = face.get(&format!("/v1/batches/{id}")).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn what_was_decided_of_an_atomic_batch_is_read_by_its_id() {
    let (face, engine) = five().await;
    let id = new_id();
    let hold = json!({
        "kind": "transfer", "id": new_id(), "debit_account_id": "1", "credit_account_id": "2",
        "amount": 7, "description": "hold", "timeout_s": 60, "reference": "r", "metadata": {"k": "v"},
    });
    let open = json!({
        "kind": "open_account", "account_id": "a", "currency": "BRL", "credit_limit": 0,
    });
    let body = atomic(&id, &[hold, open, transfer(&new_id(), "2", "a", 3)]);
    let dry_run = {
        let mut body = body.clone();
        body["dry_run"] = json!(true);
        body
    };
    face.post("/v1/batches", dry_run).await;
    let unknown = face.get(&format!("/v1/batches/{id}")).await;
    assert_eq!(unknown.problem(), (404, "batch_not_found"));
    let first = face.post("/v1/batches", body.clone()).await;
    assert_eq!(first.status, 200, "{first:?}");
    // Whatever becomes of the accounts, and however often the batch is given again.
    assert_eq!(face.post("/v1/batches", body).await.status, 200);
    assert_eq!(face.transact(2, "c", 1, "x").await.status, 200);
    assert_eq!(decided(&face, &id).await, (200, first.body));

    let failed_id = new_id();
    let commands = [
        transfer(&new_id(), "2", "a", 1),
        transfer(&new_id(), "a", "2", 99),
    ];
    let failed = face
        .post("/v1/batches", atomic(&failed_id, &commands))
        .await;
    assert_eq!(failed.problem(), (422, "batch_member_failed"));
    let expected = json!({
        "id": failed_id, "atomic": true, "index": 1, "outcomes": failed.body["outcomes"],
    });
    let before = everything(&engine);
    assert_eq!(decided(&face, &failed_id).await, (200, expected));
    assert_eq!(everything(&engine), before);

    // A transfer's id is of another space, and what is no UUID is no id.
    let own = &commands[0]["id"];
    let unknown = face
        .get(&format!("/v1/batches/{}", own.as_str().unwrap()))
        .await;
    assert_eq!(unknown.problem(), (404, "batch_not_found"));
    for malformed in ["1", "%ff"] {
        let refused = face.get(&format!("/v1/batches/{malformed}")).await;
        assert_eq!(refused.status, 400, "{refused:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_bound_to_accounts_reads_the_batches_of_its_own() {
    let engine = five_accounts().await as Arc<dyn Engine>;
    let open_face = Setup::over(Arc::clone(&engine)).start().await;
    let made = async |commands: &[Value]| {
        let id = new_id();
        open_face.post("/v1/batches", atomic(&id, commands)).await;
        id
    };
    let own = made(&[
        transfer(&new_id(), "1", "2", 1),
        transfer(&new_id(), "3", "1", 1),
    ])
    .await;
    let others = made(&[
        transfer(&new_id(), "1", "2", 1),
        transfer(&new_id(), "3", "2", 1),
    ])
    .await;
    let failed = made(&[transfer(&new_id(), "1", "2", 999_999_999)]).await;
    let mut record = Keyring::record_of_all();
    record.accounts = vec!["1".parse().unwrap()];
    let keys = Keys::new(vec![record], KeysOptions::default()).unwrap();
    let face = Setup {
        keys,
        ..Setup::over(engine)
    };
    let face = face.start().await;
    for (id, expected) in [(own, 200), (others, 403), (failed, 403), (new_id(), 404)] {
        let request = face.request(Method::GET, &format!("/v1/batches/{id}"));
        let read = answer(request.bearer_auth(Held::All.secret().unwrap())).await;
        assert_eq!(read.status, expected, "{read:?}");
    }
}
