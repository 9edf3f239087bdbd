//! Writes that have an id of their own: what is sent for each, and which of them can be asked about before.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::call::{Call, Effect, Prepared};
use crate::records::{Batch, Metadata, PaymentRecord, Transfer};
use crate::requests::{
    Command, NewBatch, NewPayment, NewPost, NewReversal, NewSplit, NewSplitPost, NewTransfer,
    NewVoid, Split,
};

/// A write that can be asked about before it is done ([`Client::preview`](crate::Client::preview)).
pub trait Write {
    /// What it makes.
    type Record: DeserializeOwned;

    /// The call for it.
    #[doc(hidden)]
    fn call(&self) -> Prepared;
}

impl Write for NewTransfer {
    type Record = Transfer;

    fn call(&self) -> Prepared {
        let call = Call::post(&["v1", "transfers"], format!("transfer {}", self.id), self);
        Prepared(call.under(Some(self.id)))
    }
}

impl Write for NewSplit {
    type Record = Batch;

    fn call(&self) -> Prepared {
        let call = Call::post(&["v1", "transfers"], format!("split {}", self.id), self);
        Prepared(call.under(Some(self.id)))
    }
}

impl Write for NewSplitPost {
    type Record = Batch;

    fn call(&self) -> Prepared {
        #[derive(Serialize)]
        struct Body<'a> {
            id: Uuid,
            amount: u64,
            #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
            is_final: Option<bool>,
            splits: &'a [Split],
        }
        let body = Body {
            id: self.id,
            amount: self.amount,
            is_final: (!self.is_final).then_some(false),
            splits: &self.splits,
        };
        of_transfer(self.pending_id, "post", self.id, &body)
    }
}

impl Write for NewPost {
    type Record = Transfer;

    fn call(&self) -> Prepared {
        #[derive(Serialize)]
        struct Body {
            id: Uuid,
            #[serde(skip_serializing_if = "Option::is_none")]
            amount: Option<u64>,
            #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
            is_final: Option<bool>,
        }
        let body = Body {
            id: self.id,
            amount: self.amount,
            is_final: (!self.is_final).then_some(false),
        };
        of_transfer(self.pending_id, "post", self.id, &body)
    }
}

impl Write for NewVoid {
    type Record = Transfer;

    fn call(&self) -> Prepared {
        #[derive(Serialize)]
        struct Body {
            id: Uuid,
        }
        of_transfer(self.pending_id, "void", self.id, &Body { id: self.id })
    }
}

impl Write for NewReversal {
    type Record = Transfer;

    fn call(&self) -> Prepared {
        #[derive(Serialize)]
        struct Body<'a> {
            id: Uuid,
            #[serde(skip_serializing_if = "Option::is_none")]
            amount: Option<u64>,
            description: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            reference: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<&'a Metadata>,
        }
        let body = Body {
            id: self.id,
            amount: self.amount,
            description: &self.description,
            reference: self.reference.as_deref(),
            metadata: self.metadata.as_ref(),
        };
        of_transfer(self.reverses, "reverse", self.id, &body)
    }
}

impl Write for NewBatch {
    type Record = Batch;

    fn call(&self) -> Prepared {
        let about = match self.id() {
            Some(id) => format!("atomic batch {id}"),
            None => format!("a batch of {} commands", self.commands().len()),
        };
        let mut call = Call::post(&["v1", "batches"], about, self).under(self.id());
        let all_once = self.commands().iter().all(Command::is_repeatable);
        if self.id().is_none() && !all_once {
            call.effect = Effect::EachTime;
        }
        Prepared(call)
    }
}

impl Write for NewPayment {
    type Record = PaymentRecord;

    fn call(&self) -> Prepared {
        let call = Call::post(&["v1", "payments"], format!("payment {}", self.id), self);
        Prepared(call.under(Some(self.id)))
    }
}

fn of_transfer(other: Uuid, act: &str, id: Uuid, body: &impl Serialize) -> Prepared {
    let path = ["v1", "transfers", &other.to_string(), act];
    Prepared(Call::post(&path, format!("{act} {id}"), body).under(Some(id)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::account_id::AccountId;
    use crate::requests::{Change, NewAccount};
    use crate::words::Frozen;

    const ID: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn sent(write: &impl Write) -> (String, Value) {
        let Prepared(call) = write.call();
        (call.path.join("/"), call.body.unwrap())
    }

    #[test]
    fn bodies_are_as_the_api_has_them() {
        let account = AccountId::new("a").unwrap();
        let transfer = NewTransfer {
            id: ID,
            timeout_s: Some(0),
            metadata: Some([("shop".to_owned(), "7".to_owned())].into()),
            ..NewTransfer::new(&account, &account, 5, "d")
        };
        let body = json!({
            "id": ID, "debit_account_id": "a", "credit_account_id": "a", "amount": 5, "description": "d",
            "timeout_s": 0, "metadata": {"shop": "7"},
        });
        assert_eq!(sent(&transfer), ("v1/transfers".to_owned(), body));
        let part = NewPost {
            id: ID,
            amount: Some(3),
            is_final: false,
            ..NewPost::new(OTHER)
        };
        let path = format!("v1/transfers/{OTHER}/post");
        assert_eq!(
            sent(&part),
            (path.clone(), json!({"id": ID, "amount": 3, "final": false}))
        );
        assert_eq!(
            sent(&NewPost {
                id: ID,
                ..NewPost::new(OTHER)
            }),
            (path, json!({"id": ID}))
        );
        let account_id = AccountId::new("b").unwrap();
        let split = NewSplit {
            id: ID,
            ..NewSplit::new(&account, vec![Split::new(&account_id, 3)], "d")
        };
        let shares = json!([{"credit_account_id": "b", "amount": 3}]);
        let body = json!({"id": ID, "debit_account_id": "a", "splits": shares, "description": "d"});
        assert_eq!(sent(&split), ("v1/transfers".to_owned(), body));
        let split = NewSplitPost {
            id: ID,
            is_final: false,
            ..NewSplitPost::new(OTHER, 5, split.splits)
        };
        let body = json!({"id": ID, "amount": 5, "final": false, "splits": shares});
        let path = format!("v1/transfers/{OTHER}/post");
        assert_eq!(sent(&split), (path, body));
        let void = NewVoid {
            id: ID,
            pending_id: OTHER,
        };
        assert_eq!(
            sent(&void),
            (format!("v1/transfers/{OTHER}/void"), json!({"id": ID}))
        );
        let back = NewReversal {
            id: ID,
            ..NewReversal::new(OTHER, "refund")
        };
        let body = json!({"id": ID, "description": "refund"});
        assert_eq!(sent(&back), (format!("v1/transfers/{OTHER}/reverse"), body));
        let commands = vec![
            Command::Post(part),
            Command::Reverse(back),
            Command::OpenAccount(NewAccount::new(&account, "BRL")),
            Command::ChangeFreeze {
                account_id: account,
                frozen: Frozen::Both,
                expected_frozen: None,
            },
        ];
        let body = json!({"atomic": true, "id": ID, "commands": [
            {"kind": "post", "id": ID, "pending_id": OTHER, "amount": 3, "final": false},
            {"kind": "reverse", "id": ID, "reverses": OTHER, "description": "refund"},
            {"kind": "open_account", "account_id": "a", "currency": "BRL", "credit_limit": 0},
            {"kind": "change_freeze", "account_id": "a", "frozen": "both"},
        ]});
        assert_eq!(
            sent(&NewBatch::atomic(ID, commands)),
            ("v1/batches".to_owned(), body)
        );
    }

    #[test]
    fn a_batch_is_sent_again_only_if_all_of_it_happens_once() {
        let account = AccountId::new("a").unwrap();
        let change = Command::ChangeLimit {
            account_id: account,
            credit_limit: 5,
            expected_credit_limit: None,
        };
        let effect = |batch: NewBatch| batch.call().0.effect;
        assert_eq!(
            effect(NewBatch::independent(vec![change.clone()])),
            Effect::EachTime
        );
        assert_eq!(effect(NewBatch::atomic_new(vec![change])), Effect::Once);
        let void = Command::Void(NewVoid::new(OTHER));
        assert_eq!(effect(NewBatch::independent(vec![void])), Effect::Once);
    }

    #[test]
    fn ids_are_of_version_7_and_grow_with_time() {
        let ids: Vec<Uuid> = (0..100).map(|_| Change::close().id).collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| id.get_version_num() == 7));
    }
}
