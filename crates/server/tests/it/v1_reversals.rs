//! Reversals: `POST /v1/transfers/{id}/reverse`, and what is read of them.

use serde_json::{Value, json};

use crate::support::{Answer, Face, everything, five, new_id};

/// A transfer of 600 from account 1 to account 2.
async fn moved(face: &Face) -> String {
    let id = new_id();
    let body = json!({
        "id": id, "debit_account_id": "1", "credit_account_id": "2",
        "amount": 600, "description": "sold",
    });
    assert_eq!(face.post("/v1/transfers", body).await.status, 201);
    id
}

fn reversal(amount: Option<u64>) -> Value {
    let mut body = json!({"id": new_id(), "description": "refund"});
    if let Some(amount) = amount {
        body["amount"] = json!(amount);
    }
    body
}

async fn reverse(face: &Face, id: &str, body: Value) -> Answer {
    face.post(&format!("/v1/transfers/{id}/reverse"), body)
        .await
}

async fn reversed_amount(face: &Face, id: &str) -> Value {
    let read = face.get(&format!("/v1/transfers/{id}")).await;
    assert_eq!(read.status, 200, "{read:?}");
    read.body["reversed_amount"].clone()
}

#[tokio::test]
async fn a_transfer_is_reversed_in_parts_and_never_more_than_it_moved() {
    let (face, engine) = five().await;
    let id = moved(&face).await;
    assert_eq!(reversed_amount(&face, &id).await, 0);
    let body = json!({
        "id": new_id(), "amount": 250, "description": "refund", "reference": "return 88",
        "metadata": {"why": "broken"},
    });
    let first = reverse(&face, &id, body.clone()).await;
    assert_eq!((first.status, first.replayed), (201, false), "{first:?}");
    assert_eq!(
        first.location,
        Some(format!("/v1/transfers/{}", body["id"].as_str().unwrap()))
    );
    let expected = json!({
        "id": body["id"], "kind": "reverse", "reverses": id, "debit_account_id": "2",
        "credit_account_id": "1", "amount": 250, "description": "refund", "reference": "return 88",
        "metadata": {"why": "broken"}, "timestamp": first.body["timestamp"],
        "debit": {"entry_number": 2, "balance_after": 350},
        "credit": {"entry_number": 2, "balance_after": -350},
    });
    assert_eq!(first.body, expected);
    assert_eq!(reversed_amount(&face, &id).await, 250);
    let path = format!("/v1/transfers/{}", body["id"].as_str().unwrap());
    assert_eq!(face.get(&path).await.body, expected);
    let statement = face.get("/v1/accounts/1/statement?limit=1").await.body;
    assert_eq!(statement["entries"][0]["kind"], "reverse");

    let before = everything(&engine);
    let again = reverse(&face, &id, body.clone()).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(again.body, expected);
    let other = reverse(&face, &moved(&face).await, body).await;
    assert_eq!(other.problem(), (409, "exists_with_different_reverses"));
    assert_eq!(other.body["field"], "reverses");
    let too_much = reverse(&face, &id, reversal(Some(351))).await;
    assert_eq!(too_much.problem(), (422, "amount_exceeds_reversible"));
    assert_eq!(
        (&too_much.body["available"], &too_much.body["required"]),
        (&json!(350), &json!(351))
    );
    assert_ne!(everything(&engine), before);

    let events = face
        .get("/v1/events?types=transfer.reversed,command.refused")
        .await;
    let events = events.body["events"].as_array().unwrap().clone();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["type"], "transfer.reversed");
    assert_eq!(events[0]["transfer"], expected);
    assert_eq!(events[1]["refused"]["reverses"], json!(id));
    assert_eq!(events[1]["refused"]["amount"], 351);

    let rest = reverse(&face, &id, reversal(None)).await;
    assert_eq!((rest.status, &rest.body["amount"]), (201, &json!(350)));
    assert_eq!(reversed_amount(&face, &id).await, 600);
    let nothing = reverse(&face, &id, reversal(None)).await;
    assert_eq!(nothing.problem(), (422, "amount_exceeds_reversible"));
    assert_eq!(nothing.body["available"], 0);
    assert_eq!(face.get("/v1/accounts/1").await.body["balance"], -600);
}

#[tokio::test]
async fn what_has_moved_nothing_is_not_reversed() {
    let (face, _) = five().await;
    let unknown = reverse(&face, &new_id(), reversal(None)).await;
    assert_eq!(unknown.problem(), (404, "transfer_not_reversible"));
    assert_eq!(unknown.body["reason"], "not_found");
    let (pend, post) = (new_id(), new_id());
    let body = json!({
        "id": pend, "debit_account_id": "1", "credit_account_id": "2", "amount": 60,
        "description": "hold", "timeout_s": 0,
    });
    assert_eq!(face.post("/v1/transfers", body).await.status, 201);
    let pending = reverse(&face, &pend, reversal(None)).await;
    assert_eq!(pending.problem(), (422, "transfer_not_reversible"));
    assert_eq!(pending.body["reason"], "nothing_moved");
    let path = format!("/v1/transfers/{pend}/post");
    assert_eq!(face.post(&path, json!({"id": post})).await.status, 201);
    let posted = reverse(&face, &pend, reversal(None)).await;
    assert_eq!(posted.body["reason"], "pend");
    assert_eq!(posted.body["transfer_id"], json!(pend));
    let done = reverse(&face, &post, reversal(None)).await;
    assert_eq!(done.status, 201, "{done:?}");
    let of_reversal = done.body["id"].as_str().unwrap();
    let twice = reverse(&face, of_reversal, reversal(None)).await;
    assert_eq!(twice.body["reason"], "reversal");
}

#[tokio::test]
async fn a_reversal_is_told_before_it_is_done_and_made_in_a_batch() {
    let (face, engine) = five().await;
    let id = moved(&face).await;
    let before = everything(&engine);
    let mut body = reversal(Some(100));
    body["dry_run"] = json!(true);
    let told = reverse(&face, &id, body).await;
    assert_eq!((told.status, told.dry_run), (200, true), "{told:?}");
    assert_eq!(everything(&engine), before);

    let (transfer, refund) = (new_id(), new_id());
    let commands = json!([
        {"kind": "transfer", "id": transfer, "debit_account_id": "1", "credit_account_id": "2",
         "amount": 10, "description": "sold"},
        {"kind": "reverse", "id": refund, "reverses": transfer, "description": "refund",
         "amount": 4, "reference": "r"},
        {"kind": "reverse", "id": new_id(), "reverses": id, "description": "refund"},
    ]);
    let batch = json!({"atomic": true, "id": new_id(), "commands": commands});
    let answer = face.post("/v1/batches", batch).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let outcome = &answer.body["outcomes"][1]["transfer"];
    assert_eq!(outcome["kind"], "reverse");
    assert_eq!(
        (&outcome["amount"], &outcome["reference"]),
        (&json!(4), &json!("r"))
    );
    assert_eq!(reversed_amount(&face, &transfer).await, 4);
    assert_eq!(reversed_amount(&face, &id).await, 600);
}

#[tokio::test]
async fn a_reversal_that_cannot_be_read_says_why() {
    let (face, engine) = five().await;
    let id = moved(&face).await;
    let before = everything(&engine);
    for (body, code) in [
        (json!({"description": "refund"}), "id_missing"),
        (json!({"id": new_id()}), "json_invalid"),
        (
            json!({"id": new_id(), "description": "x", "pending_id": id}),
            "json_invalid",
        ),
        (json!({"id": "x", "description": "x"}), "id_invalid"),
        (
            json!({"id": new_id(), "description": "x", "reference": ""}),
            "reference_invalid",
        ),
    ] {
        let answer = reverse(&face, &id, body.clone()).await;
        assert_eq!(answer.problem(), (400, code), "{body}");
    }
    for (body, code) in [
        (reversal(Some(0)), "amount_out_of_range"),
        (
            json!({"id": new_id(), "description": ""}),
            "description_invalid",
        ),
    ] {
        let answer = reverse(&face, &id, body).await;
        assert_eq!(answer.problem(), (422, code));
    }
    let no_id = reverse(&face, "x", reversal(None)).await;
    assert_eq!(no_id.problem(), (400, "id_invalid"));
    assert_eq!(everything(&engine), before);
}
