//! A database is corrupted in each way, and it is found.

use std::time::Duration;

use engine_postgres::{PostgresEngine, PostgresOptions, Verified, fill_lists, migrate, verify};
use ledger::{
    AcceptPayment, AccountId, Batch, BatchId, Command, Engine, Frozen, ListOrder, ListPage, Millis,
    MoveMoney, Note, PaymentExpected, PaymentId, PaymentList, PaymentStateName, ProcessorName,
    ResolutionKind, ResolvePayment, ReverseTransfer, TransferId, TransferList, Unavailable,
};
use testkit::servers::Postgres;

use crate::subject::open;
use testkit::bank::{Drawer, accounts, currency, id, in_seconds, open_accounts};

/// What is done to a good ledger, and what the check says of it. Each is undone afterwards.
const CORRUPTIONS: [(&str, &str); 66] = [
    (
        "UPDATE lastro.accounts SET debits_posted = debits_posted + 1 WHERE account_id = 'user:1'",
        "account user:1: its debits_posted are",
    ),
    (
        "UPDATE lastro.accounts SET credits_pending = credits_pending + 1
         WHERE account_id = 'user:2'",
        "account user:2: its credits_pending are",
    ),
    (
        "UPDATE lastro.accounts SET debits_pending = debits_pending + 1
         WHERE account_id = 'user:3'",
        "account user:3: its debits_pending are",
    ),
    (
        "ALTER TABLE lastro.accounts DROP CONSTRAINT within_its_limit;
         UPDATE lastro.accounts SET credit_limit = 0, debits_posted = credits_posted + 1
         WHERE account_id = 'user:1'",
        "account user:1: it has passed its limit by",
    ),
    (
        "UPDATE lastro.accounts SET entry_count = entry_count + 1 WHERE account_id = 'user:1'",
        "account user:1: it counts",
    ),
    (
        "UPDATE lastro.accounts SET closed = true WHERE account_id = 'user:4'",
        "account user:4: it is closed with money in it",
    ),
    (
        "UPDATE lastro.accounts SET currency = 'USD' WHERE account_id = 'user:5'",
        "account world:USD: it is not open",
    ),
    (
        "UPDATE lastro.accounts SET newest_at = 1 WHERE account_id = 'user:5'",
        "account user:5: an entry is later than its newest event",
    ),
    (
        "DELETE FROM lastro.accounts WHERE account_id = 'user:1'",
        "account user:1: there is an entry of it, and no account",
    ),
    (
        "DELETE FROM lastro.entries WHERE account_id = 'user:1' AND number = 2",
        "account user:1, entry 3: the one after 1 is missing",
    ),
    (
        "DELETE FROM lastro.entries WHERE account_id = 'user:1' AND number = 2",
        "its entry 2 of account user:1 is missing",
    ),
    (
        "UPDATE lastro.entries SET balance_after = balance_after + 1
         WHERE account_id = 'user:2' AND number = 3",
        "account user:2, entry 3: the balance after it is",
    ),
    (
        "UPDATE lastro.entries SET amount = amount + 1 WHERE account_id = 'user:2' AND number = 3",
        "entry 3 of account user:2 says something else",
    ),
    (
        "UPDATE lastro.entries SET description = 'forged'
         WHERE account_id = 'user:2' AND number = 3",
        "entry 3 of account user:2 says something else",
    ),
    (
        "UPDATE lastro.entries SET entered_at = 1 WHERE account_id = 'user:2' AND number = 2",
        "account user:2, entry 2: it is not later than the one before",
    ),
    (
        "DELETE FROM lastro.transfers WHERE transfer_id = (SELECT transfer_id
         FROM lastro.entries WHERE account_id = 'user:3' AND number = 1)",
        "account user:3, entry 1: no transfer made it",
    ),
    (
        "ALTER TABLE lastro.transfers DROP CONSTRAINT transfers_pkey;
         INSERT INTO lastro.transfers SELECT * FROM lastro.transfers LIMIT 1",
        "its id is there twice",
    ),
    (
        "UPDATE lastro.transfers SET transfer_id = gen_random_uuid()
         WHERE transfer_id = (SELECT transfer_id FROM lastro.transfers LIMIT 1)",
        "its record has another id",
    ),
    (
        "UPDATE lastro.transfers SET record = '\\x00' WHERE transfer_id =
         (SELECT transfer_id FROM lastro.transfers LIMIT 1)",
        "its record cannot be read",
    ),
    (
        "DELETE FROM lastro.events WHERE position > 3",
        "events: the feed has",
    ),
    (
        "INSERT INTO lastro.events (records) SELECT records FROM lastro.events ORDER BY position",
        "events: the feed has",
    ),
    (
        "UPDATE lastro.events SET records = '\\xff' WHERE position = 3",
        "events 3: the row cannot be read",
    ),
    (
        "UPDATE lastro.events SET records = '\\x0101ff' WHERE position = 3",
        "events 3: a record cannot be read",
    ),
    (
        "UPDATE lastro.events SET records = decode(replace(encode(records, 'hex'),
         encode(uuid_send((SELECT transfer_id FROM lastro.entries WHERE account_id = 'user:1'
         AND number = 1)), 'hex'), repeat('ab', 16)), 'hex')",
        "has another record, or none",
    ),
    (
        "UPDATE lastro.transfers SET pending_state = 0 WHERE transfer_id =
         (SELECT transfer_id FROM lastro.transfers WHERE pending_state = 1 LIMIT 1)",
        "was not ended by it so",
    ),
    (
        "UPDATE lastro.transfers SET pending_state = 2 WHERE transfer_id =
         (SELECT transfer_id FROM lastro.transfers WHERE pending_state = 0 LIMIT 1)",
        "pending transfers are voided, by",
    ),
    (
        "UPDATE lastro.transfers SET expired_at = 1 WHERE pending_state = 3",
        "when it expired cannot be",
    ),
    (
        "UPDATE lastro.transfers SET expired_at = 9000000000000000000 WHERE pending_state = 1",
        "when it expired cannot be",
    ),
    (
        "DELETE FROM lastro.pendings",
        "pendings: there are 0, and the pending transfers have",
    ),
    (
        "UPDATE lastro.pendings SET expires_at = 1",
        "it expires at another time than its transfer",
    ),
    (
        "UPDATE lastro.stripes SET credits_posted = credits_posted + 1
         WHERE account_id = 'world:BRL' AND stripe = 3",
        "account world:BRL: the credits_posted of its stripes are",
    ),
    (
        "DELETE FROM lastro.stripes WHERE account_id = 'world:BRL' AND stripe = 15",
        "account world:BRL: it has not its 16 stripes",
    ),
    (
        "UPDATE lastro.payments SET amount = amount + 1 WHERE state = 0",
        "its columns are not what its record says",
    ),
    (
        "DELETE FROM lastro.payments WHERE state = 0",
        "says something else, or is missing",
    ),
    (
        "DELETE FROM lastro.transfers WHERE transfer_id IN (SELECT transfer_id
         FROM lastro.entries WHERE kind = 'settle')",
        "the transfer's id it takes",
    ),
    (
        "UPDATE lastro.payment_sums SET amount = amount + 1 WHERE level = 0",
        "payment_sums 0/",
    ),
    (
        "UPDATE lastro.resolutions SET kind = 'refuse' WHERE kind = 'release'",
        "it is not what became of its payment",
    ),
    (
        "UPDATE lastro.resolutions SET attempt = 2",
        "it is not what became of its payment",
    ),
    (
        "UPDATE lastro.resolutions SET who = ''",
        "its columns cannot be read",
    ),
    (
        "UPDATE lastro.resolutions SET payment_id = gen_random_uuid()",
        "there is no such payment",
    ),
    (
        "UPDATE lastro.payment_changes SET changed_at = changed_at + 3600000000000",
        "its record is of something else, or of another time",
    ),
    (
        "UPDATE lastro.payment_changes SET record = '\\x00'",
        "change of payment",
    ),
    (
        "UPDATE lastro.payment_changes SET payment_id = gen_random_uuid()",
        "there is no such payment",
    ),
    (
        "UPDATE lastro.batches SET digest = '\\x00'",
        "its digest cannot be read",
    ),
    (
        "UPDATE lastro.transfers SET reversed_amount = reversed_amount + 1
         WHERE reversed_amount = 5",
        "6 of transfers are reversed",
    ),
    (
        "UPDATE lastro.transfers SET reversed_amount = 4 WHERE reversed_amount = 5",
        "was not reversed by it so",
    ),
    (
        "UPDATE lastro.transfers SET reversed_amount = 10000 WHERE reversed_amount = 5",
        "its other columns cannot be true of it",
    ),
    (
        "DELETE FROM lastro.reversals WHERE transfer_id = '00000000-0000-0000-0000-000000001b59'",
        "it is not listed as a reversal of transfer",
    ),
    (
        "UPDATE lastro.reversals SET reverses = gen_random_uuid()
         WHERE transfer_id = '00000000-0000-0000-0000-000000001b59'",
        "it is not listed as a reversal of transfer",
    ),
    (
        // The one that was refused.
        "DELETE FROM lastro.reversals WHERE transfer_id = '00000000-0000-0000-0000-000000001b5b'",
        "reversals: 2 reversals are listed, and there are 3",
    ),
    (
        "UPDATE lastro.transfers SET left_amount = 2 WHERE left_amount = 3",
        "22 of pending transfers are so posted",
    ),
    (
        "UPDATE lastro.transfers SET left_amount = 6 WHERE left_amount = 3",
        "it is no part of pending transfer",
    ),
    (
        "UPDATE lastro.transfers SET left_amount = 2 WHERE left_amount = 3",
        "account user:1: its credits_pending are",
    ),
    (
        "UPDATE lastro.transfers SET left_amount = 10 WHERE left_amount = 3",
        "its other columns cannot be true of it",
    ),
    (
        // Of one that a final post has ended.
        "UPDATE lastro.transfers SET left_amount = NULL WHERE left_amount = 6",
        "was not ended by it so",
    ),
    (
        // Of one that a part has ended.
        "UPDATE lastro.transfers SET left_amount = 1 WHERE left_amount = 0",
        "was not ended by it so",
    ),
    (
        "DELETE FROM lastro.parts WHERE left_amount = 3",
        "it is not listed as a part of pending transfer",
    ),
    (
        "UPDATE lastro.parts SET left_amount = 1 WHERE left_amount = 0",
        "it is not listed as a part of pending transfer",
    ),
    (
        // The one that was refused.
        "DELETE FROM lastro.parts WHERE left_amount IS NULL",
        "parts: 4 parts are listed, and there are 5",
    ),
    (
        "UPDATE lastro.accounts SET frozen = 2 WHERE frozen = 1",
        "what is frozen is 2, and by its changes 1",
    ),
    (
        "UPDATE lastro.accounts SET frozen = 3 WHERE account_id = 'user:3'",
        "account user:3: what is frozen is 3, and by its changes 0",
    ),
    (
        "DELETE FROM lastro.account_changes",
        "what is frozen is 1, and by its changes 0",
    ),
    (
        "DELETE FROM lastro.listed WHERE list = 'transfers of world:BRL'
            AND listed_at = (SELECT min(listed_at) FROM lastro.listed WHERE list = 'transfers of world:BRL')",
        "list transfers of world:BRL: ",
    ),
    (
        "UPDATE lastro.listed SET listed_at = listed_at + 1 WHERE list = 'payments'",
        "is not in it, in its place",
    ),
    (
        "UPDATE lastro.listed SET list = 'payments settled by b' WHERE list LIKE 'payments settled by %'",
        "is not in it, in its place",
    ),
    (
        "INSERT INTO lastro.listed VALUES ('transfers of user:1', 1, gen_random_uuid())",
        "is in it, and there is no such transfer or payment",
    ),
];

#[test]
fn every_corruption_is_found() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        fill(&open(&postgres.create_database("good").unwrap()).await).await;
    });
    let check = |url: String| -> Verified {
        let verified = async { verify(&url, &PostgresOptions::default(), &mut |_| {}).await };
        runtime.block_on(verified).unwrap()
    };
    let good = check(postgres.url_of("good"));
    assert!(good.is_clean(), "{:#?}", good.findings);
    assert!(good.transfers_count > 50 && good.entries_count > 50 && good.refusals_count > 0);
    assert_eq!(
        (good.payments_count, good.batches_count),
        (6, 1),
        "{good:?}"
    );
    for (number, (statements, expected)) in (1..).zip(CORRUPTIONS) {
        let name = format!("bad{number}");
        postgres
            .psql(&format!("CREATE DATABASE {name} TEMPLATE good"))
            .unwrap();
        postgres.psql_in(&name, statements).unwrap();
        let bad = check(postgres.url_of(&name));
        let told = bad.findings.iter().map(ToString::to_string);
        let told: Vec<String> = told.collect();
        assert!(
            told.iter().any(|told| told.contains(expected)),
            "{statements}: {told:#?}"
        );
        assert!(bad.findings_count > 0 && bad.findings_count >= told.len() as u64);
    }
}

/// A database from before lists is given all that its ledger would have listed.
#[test]
fn lists_are_filled_with_what_was_there_before_them() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = postgres.create_database("older").unwrap();
    runtime.block_on(async { fill(&open(&url).await).await });
    let before = "CREATE TABLE listed AS SELECT * FROM lastro.listed;
        DROP TABLE lastro.listed;
        DELETE FROM lastro.migrations WHERE number >= 18";
    postgres.psql_in("older", before).unwrap();
    let verified = runtime.block_on(async {
        let migrated = migrate(&url, &PostgresOptions::default()).await.unwrap();
        assert_eq!((migrated.from, migrated.to), (17, 19));
        verify(&url, &PostgresOptions::default(), &mut |_| {}).await
    });
    assert_eq!(verified.unwrap().findings, []);
    let count = |rows: &str| postgres.psql_in("older", &format!("SELECT count(*) FROM {rows}"));
    let first =
        "SELECT count(*) FROM lastro.listed WHERE id = '00000000-0000-0000-0000-000000000000'";
    assert_eq!(postgres.psql_in("older", first).unwrap().trim(), "1");
    let (kept, filled) = ("TABLE listed", "TABLE lastro.listed");
    assert!(count("listed").unwrap().trim().parse::<u32>().unwrap() > 50);
    for (one, other) in [(kept, filled), (filled, kept)] {
        let missing = count(&format!("({one} EXCEPT {other}) missing"));
        assert_eq!(missing.unwrap().trim(), "0");
    }
}

/// What older nodes write after the migration is in no list, until somebody fills them again. A record that cannot be read
/// holds up nothing.
#[test]
fn lists_can_be_filled_again() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = postgres.create_database("older").unwrap();
    runtime.block_on(async { fill(&open(&url).await).await });
    let by_older = "CREATE TABLE listed AS SELECT * FROM lastro.listed;
        DELETE FROM lastro.listed WHERE list LIKE 'transfers of %' OR list = 'payments'";
    postgres.psql_in("older", by_older).unwrap();
    let check = async || {
        verify(&url, &PostgresOptions::default(), &mut |_| {})
            .await
            .unwrap()
    };
    runtime.block_on(async {
        let missing = check().await;
        let told: Vec<String> = missing.findings.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|told| told.contains("--fill-lists")),
            "{told:#?}"
        );
        for _ in 0..2 {
            fill_lists(&url, &PostgresOptions::default()).await.unwrap();
            assert_eq!(check().await.findings, []);
        }
        let damaged = "UPDATE lastro.transfers SET record = '' WHERE transfer_id =
            '00000000-0000-0000-0000-000000000000'";
        postgres.psql_in("older", damaged).unwrap();
        postgres.psql_in("older", "TRUNCATE lastro.listed").unwrap();
        fill_lists(&url, &PostgresOptions::default()).await.unwrap();
    });
    let missing = "SELECT count(*) FROM (TABLE listed EXCEPT TABLE lastro.listed) missing";
    assert_eq!(postgres.psql_in("older", missing).unwrap().trim(), "1");
}

/// A place that leads to nothing is told, and does not end a list.
#[test]
fn a_list_with_a_row_that_is_lost_is_damaged() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = postgres.create_database("lost").unwrap();
    runtime.block_on(async {
        let engine = open(&url).await;
        fill(&engine).await;
        let lost = "DELETE FROM lastro.transfers WHERE transfer_id =
            (SELECT id FROM lastro.listed WHERE list = 'transfers of world:BRL'
                ORDER BY listed_at OFFSET 3 LIMIT 1);
            DELETE FROM lastro.payments WHERE payment_id =
            (SELECT id FROM lastro.listed WHERE list = 'payments' ORDER BY listed_at OFFSET 1 LIMIT 1)";
        postgres.psql_in("lost", lost).unwrap();
        let page = |limit| ListPage::first(ListOrder::Ascending, limit);
        let of_world = TransferList::Of(AccountId::world(currency()));
        for (limit, expected) in [(3, Ok(3)), (4, Err(Unavailable::StorageDamaged))] {
            let listed = engine.transfers(of_world.clone(), page(limit), in_seconds(20));
            assert_eq!(listed.await.map(|listed| listed.len()), expected);
        }
        for (limit, expected) in [(1, Ok(1)), (2, Err(Unavailable::StorageDamaged))] {
            let listed = engine.payments(PaymentList::All, page(limit), in_seconds(20));
            assert_eq!(listed.await.map(|listed| listed.len()), expected);
        }
    });
}

/// Something of everything: entries, pending transfers of each state, refusals, a batch, payments.
async fn fill(engine: &PostgresEngine) {
    open_accounts(engine).await;
    let mut drawer = Drawer::new(7);
    let id_of = TransferId::from_u128;
    let commands = (1..=200).map(|number| drawer.command(id_of(number)));
    let mut commands: Vec<Command> = commands.collect();
    let world = AccountId::world(currency());
    for (number, account) in (1_000..).zip(accounts()) {
        let mut transfer = drawer.transfer(id_of(number));
        (transfer.debit_account_id, transfer.credit_account_id) = (world.clone(), account);
        // Pending for ever, posted, voided.
        let pend = |id: u128| Command::Pend {
            transfer: MoveMoney {
                id: id_of(id),
                ..transfer.clone()
            },
            timeout_s: 0,
        };
        commands.extend([pend(number + 100), pend(number + 200), pend(number + 300)]);
        commands.push(Command::Post {
            id: id_of(number + 400),
            pending_id: id_of(number + 200),
            amount: Some(1),
        });
        commands.push(Command::Void {
            id: id_of(number + 500),
            pending_id: id_of(number + 300),
        });
    }
    // The first id there can be.
    let mut first = drawer.transfer(id_of(0));
    (first.debit_account_id, first.credit_account_id) = (world.clone(), accounts()[0].clone());
    commands.push(Command::Transfer(first));
    let batch = Batch::independent(commands).unwrap();
    engine.submit(vec![batch], in_seconds(20)).await.unwrap();
    let members = vec![Command::Transfer(drawer.transfer(id_of(5_000)))];
    let batch = Batch::atomic(BatchId::from_u128(1), members).unwrap();
    engine.submit(vec![batch], in_seconds(20)).await.unwrap();
    // What may expire does, before the database is copied.
    tokio::time::sleep(Duration::from_secs(3)).await;
    pay(engine).await;
    reverse(engine).await;
    post_parts(engine).await;
    freeze(engine).await;
}

/// A transfer that is reversed twice, and once more than it has.
async fn reverse(engine: &PostgresEngine) {
    let id_of = TransferId::from_u128;
    let mut transfer = Drawer::new(1).transfer(id_of(7_000));
    transfer.debit_account_id = AccountId::world(currency());
    transfer.credit_account_id = id("user:1");
    transfer.amount = 10;
    let mut commands = vec![Command::Transfer(transfer)];
    for (number, amount) in [(7_001, 2), (7_002, 3), (7_003, 6)] {
        commands.push(Command::Reverse(ReverseTransfer {
            id: id_of(number),
            reverses: id_of(7_000),
            amount: Some(amount),
            description: "refund".into(),
            notes: ledger::Notes::NONE,
        }));
    }
    let batch = Batch::independent(commands).unwrap();
    let outcomes = engine.submit(vec![batch], in_seconds(20)).await.unwrap();
    let codes: Vec<_> = outcomes[0].iter().map(ledger::Outcome::code).collect();
    let refused = "amount_exceeds_reversible";
    assert_eq!(codes, ["created", "created", "created", refused]);
}

/// Two accounts that are frozen, one of them not any more.
async fn freeze(engine: &PostgresEngine) {
    let freeze = |account: &str, frozen| Command::ChangeFreeze {
        account_id: id(account),
        frozen,
        expected_frozen: None,
        by: None,
    };
    let commands = vec![
        freeze("user:1", Frozen::Both),
        freeze("user:1", Frozen::Debits),
        freeze("user:2", Frozen::Credits),
        freeze("user:2", Frozen::None),
    ];
    let batch = Batch::independent(commands).unwrap();
    let outcomes = engine.submit(vec![batch], in_seconds(20)).await.unwrap();
    assert!(outcomes[0].iter().all(|outcome| outcome.result.is_ok()));
}

/// Three pending transfers: of two parts with some left, posted after a part, and posted by parts alone.
async fn post_parts(engine: &PostgresEngine) {
    let id_of = TransferId::from_u128;
    let pend = |number: u128| {
        let mut transfer = Drawer::new(1).transfer(id_of(number));
        transfer.debit_account_id = AccountId::world(currency());
        transfer.credit_account_id = id("user:1");
        transfer.amount = 10;
        Command::Pend {
            transfer,
            timeout_s: 0,
        }
    };
    let part = |number: u128, pending: u128, amount| Command::PostPart {
        id: id_of(number),
        pending_id: id_of(pending),
        amount,
    };
    let commands = vec![
        pend(8_000),
        pend(8_100),
        pend(8_200),
        part(8_001, 8_000, 3),
        part(8_002, 8_000, 4),
        part(8_003, 8_000, 4),
        part(8_101, 8_100, 4),
        Command::Post {
            id: id_of(8_102),
            pending_id: id_of(8_100),
            amount: Some(5),
        },
        part(8_201, 8_200, 10),
    ];
    let batch = Batch::independent(commands).unwrap();
    let outcomes = engine.submit(vec![batch], in_seconds(20)).await.unwrap();
    let refused = outcomes[0].iter().filter(|outcome| outcome.result.is_err());
    let refused: Vec<_> = refused.map(ledger::Outcome::code).collect();
    assert_eq!(refused, ["amount_exceeds_pending"]);
}

const fn expected(state: PaymentStateName, attempt: u32) -> PaymentExpected {
    PaymentExpected { state, attempt }
}

/// Two payments that an operator resolves: one waits again, one is settled.
fn resolved() -> Vec<Command> {
    let requested_at = Millis(1_763_640_000_000);
    let of = |number: u128, kind: ResolutionKind| {
        let id = PaymentId::from_u128(number);
        [
            Command::AcceptPayment(AcceptPayment {
                id,
                account_id: None,
                currency: currency(),
                amount: 1,
                description: "resolved".into(),
                notes: ledger::Notes::NONE,
            }),
            Command::SendPayment {
                id,
                expected: expected(PaymentStateName::Accepted, 0),
                processor: ProcessorName::new("default").unwrap(),
                requested_at,
            },
            Command::ResolvePayment(ResolvePayment {
                id,
                expected: expected(PaymentStateName::Sent, 1),
                kind,
                who: Note::new("ana").unwrap(),
                why: Note::new("she looked").unwrap(),
                send_lease: Duration::ZERO,
            }),
        ]
    };
    let settled = ResolutionKind::Settled { requested_at };
    [of(5, ResolutionKind::Release), of(6, settled)].concat()
}

/// Payments accepted, sent, settled and refused, from accounts with enough in them.
async fn pay(engine: &PostgresEngine) {
    let processor = ProcessorName::new("default").unwrap();
    let payment_id = |number: u128| PaymentId::from_u128(number);
    let mut commands = Vec::new();
    for number in 1..=4_u128 {
        let account = id(&format!("user:{number}"));
        let mut transfer = Drawer::new(1).transfer(TransferId::from_u128(6_000 + number));
        transfer.debit_account_id = AccountId::world(currency());
        transfer.credit_account_id = account.clone();
        commands.push(Command::Transfer(transfer));
        commands.push(Command::AcceptPayment(AcceptPayment {
            id: payment_id(number),
            account_id: (number != 4).then_some(account),
            currency: currency(),
            amount: 1,
            description: "paid".into(),
            notes: ledger::Notes::NONE,
        }));
    }
    for number in 2..=4_u128 {
        commands.push(Command::SendPayment {
            id: payment_id(number),
            expected: expected(PaymentStateName::Accepted, 0),
            processor: processor.clone(),
            requested_at: Millis(1_763_640_000_000),
        });
    }
    for number in 3..=4_u128 {
        commands.push(Command::SettlePayment {
            id: payment_id(number),
            expected: expected(PaymentStateName::Sent, 1),
            requested_at: Millis(1_763_640_000_000),
        });
    }
    commands.extend(resolved());
    let batch = Batch::independent(commands).unwrap();
    let outcomes = engine.submit(vec![batch], in_seconds(20)).await.unwrap();
    assert!(
        outcomes[0].iter().all(|outcome| outcome.result.is_ok()),
        "{outcomes:#?}"
    );
}
