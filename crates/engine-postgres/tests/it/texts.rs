//! Texts that look like statements come back as they went in.

use ledger::{
    AcceptPayment, AccountId, Command, Engine, MoveMoney, Note, OpenAccount, PaymentExpected,
    PaymentId, PaymentStateName, Record, ResolutionKind, ResolvePayment, StatementQuery,
    TransferId, UsedTransfer,
};
use testkit::bank::{currency, id, in_seconds, submit_one};
use testkit::servers::Postgres;

use crate::subject::open;

const DESCRIPTIONS: [&str; 9] = [
    "'; DROP TABLE lastro.accounts; --",
    "\"); DELETE FROM lastro.entries; /*",
    "$1 $$ $body$ :name ? %s {} \\",
    "\\'; SELECT pg_sleep(10); --",
    "{\"a\",NULL}",
    "NULL",
    " leading and trailing ",
    "É 💸 \u{200d}\u{feff}",
    "E'\\x00'",
];

#[test]
fn texts_full_of_sql_come_back_as_they_went_in() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&postgres.url()).await;
        let names = ["a--", "NULL", "lastro.accounts", "-1", "..", "e:0:-:_"];
        for name in names {
            let command = Command::OpenAccount(OpenAccount {
                id: id(name),
                currency: currency(),
                credit_limit: 10,
            });
            let opened = submit_one(&engine, command, in_seconds(20)).await.unwrap();
            assert_eq!(opened.code(), "created", "{name}");
            check_account(&engine, name).await;
        }
    });
}

/// Payments, each given up by somebody with such a name, for such a reason.
#[test]
fn so_does_what_operators_say() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(&postgres.url()).await;
        for (number, text) in (1..).zip(DESCRIPTIONS) {
            let id = PaymentId::from_u128(number);
            let accept = Command::AcceptPayment(AcceptPayment {
                id,
                account_id: None,
                currency: currency(),
                amount: 1,
                description: text.into(),
                notes: ledger::Notes::NONE,
            });
            let resolve = Command::ResolvePayment(ResolvePayment {
                id,
                expected: PaymentExpected {
                    state: PaymentStateName::Accepted,
                    attempt: 0,
                },
                kind: ResolutionKind::Refuse,
                who: Note::new(text).unwrap(),
                why: Note::new(&text.replace(' ', "'")).unwrap(),
                send_lease: std::time::Duration::ZERO,
            });
            for expected in ["created", "exists"] {
                for command in [&accept, &resolve] {
                    let told = submit_one(&engine, command.clone(), in_seconds(20)).await;
                    assert_eq!(told.unwrap().code(), expected, "{text}");
                }
            }
            let kept = engine.resolutions(id, in_seconds(20)).await.unwrap();
            let texts: Vec<_> = kept
                .iter()
                .map(|resolution| (resolution.who.as_str(), resolution.why.to_string()))
                .collect();
            assert_eq!(texts, [(text, text.replace(' ', "'"))]);
        }
    });
}

async fn check_account(engine: &impl Engine, name: &str) {
    for (number, description) in (1..).zip(DESCRIPTIONS) {
        let mut bytes = [0; 16];
        bytes[..name.len().min(15)].copy_from_slice(name.as_bytes());
        bytes[15] = number;
        let command = MoveMoney {
            id: TransferId::from_u128(u128::from_be_bytes(bytes)),
            debit_account_id: AccountId::world(currency()),
            credit_account_id: id(name),
            amount: 1,
            description: description.into(),
            notes: ledger::Notes::NONE,
        };
        let told = submit_one(engine, Command::Transfer(command.clone()), in_seconds(20)).await;
        let Ok(Record::Transfer(told)) = told.unwrap().result else {
            panic!("{description} was refused");
        };
        assert_eq!(told.description, description);
        let kept = engine.transfer(command.id, in_seconds(20)).await.unwrap();
        assert_eq!(kept, Some(UsedTransfer::new(told)));
    }
    let query = StatementQuery {
        account_id: id(name),
        before: None,
        limit: 100,
    };
    let statement = engine.statement(query, in_seconds(20)).await.unwrap();
    let entries = statement.unwrap().entries;
    let descriptions: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| &*entry.description)
        .collect();
    assert_eq!(descriptions, DESCRIPTIONS);
    assert!(
        entries
            .iter()
            .all(|entry| entry.credit_account_id == id(name))
    );
}
