//! What a single round does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::faulty::FaultyStorage;
use ledger::{
    AccountId, Batch, BatchId, ClockBounds, Command, Currency, MoveMoney, OpenAccount, Outcome,
    TransferId, Unavailable,
};
use testkit::ManualClock;
use tokio::sync::oneshot::error::TryRecvError;

use super::{Beginning, CALL_EXPIRIES_MAX, ROUND_EXPIRIES, ROUND_REQUEST_BYTES, Writer};
use crate::beside::Pace;
use crate::keeper::{Keeper, Kept};
use crate::open::{Recovered, recover};
use crate::options::EmbeddedOptions;
use crate::published::Published;
use crate::queue::{Answer, Intent, Queue, queue};
use crate::shared::Shared;
use crate::snapshot::{NewestSnapshot, Taker};
use crate::syncer::Syncer;

fn options() -> EmbeddedOptions {
    let journal = journal::JournalOptions {
        segment_bytes: 64 << 10,
        frame_bytes_max: 32 << 10,
        ..EmbeddedOptions::default().journal
    };
    EmbeddedOptions {
        journal,
        ..EmbeddedOptions::default()
    }
}

/// A writer that does nothing by itself, and the callers' end of its queue.
fn idle_writer(clock: &Arc<ManualClock>) -> (Writer<FaultyStorage>, Queue) {
    idle_writer_over(FaultyStorage::new(1), clock)
}

fn idle_writer_over(
    storage: FaultyStorage,
    clock: &Arc<ManualClock>,
) -> (Writer<FaultyStorage>, Queue) {
    let options = options().journal;
    let frame_bytes_max = options.frame_bytes_max;
    let Recovered {
        journal,
        tables,
        sums,
        books,
        draft,
        last,
        ..
    } = recover(storage, options, u64::MAX, None).unwrap();
    let published = Published::up_to(journal.end()).unwrap();
    let shared = Arc::new(Shared::new(books, published, journal.reader()));
    let kept = Kept {
        taker: Taker {
            storage: Arc::clone(journal.storage()),
            books: Arc::clone(&shared.books),
            stop: tables.stop().clone(),
        },
        tables,
        sums,
        newest_snapshot: NewestSnapshot::default(),
        snapshot_bytes: u64::MAX,
        merge_pace: Pace::default(),
    };
    let keeper = Keeper::start(kept, false).unwrap();
    let (queue, waiting) = queue(usize::MAX);
    let writer = Writer::new(Beginning {
        shared,
        journal,
        keeper,
        draft,
        syncer: Syncer::late(),
        waiting,
        clock: clock.clone(),
        clock_bounds: ClockBounds::default(),
        newest: last,
        frame_bytes_max,
    });
    (writer, queue)
}

/// Refusals without a trace fill no frame: a stream of them must not keep the round open.
#[test]
fn a_round_of_nothing_but_refusals_ends_too() {
    let (mut writer, queue) = idle_writer(&Arc::default());
    let account_id = AccountId::new("nobody").unwrap();
    let commands = vec![
        Command::CloseAccount {
            account_id,
            expected_entry_count: None,
            by: None,
        };
        10
    ];
    let deadline = Instant::now() + Duration::from_secs(60);
    let push = || {
        let batch = Batch::independent(commands.clone()).unwrap();
        queue
            .push(vec![batch], Intent::Apply, deadline, None)
            .unwrap()
    };
    let mut answers = vec![push()];
    let first = writer.waiting.receiver.recv().unwrap();
    let count = ROUND_REQUEST_BYTES / first.size_bytes() + 10;
    answers.extend((0..count).map(|_| push()));
    writer.round(first);
    assert!(answers[0].try_recv().unwrap().is_ok());
    let last = answers.last_mut().unwrap();
    assert_eq!(last.try_recv().unwrap_err(), TryRecvError::Empty);
    assert!(writer.waiting.bytes() > 0);
}

/// Gives the writer one batch in a round of its own.
fn give(
    writer: &mut Writer<FaultyStorage>,
    queue: &Queue,
    commands: Vec<Command>,
) -> Result<Vec<&'static str>, Unavailable> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let batch = Batch::independent(commands).unwrap();
    let mut answer = queue
        .push(vec![batch], Intent::Apply, deadline, None)
        .unwrap();
    let request = writer.waiting.receiver.recv().unwrap();
    writer.round(request);
    let outcomes = answer.try_recv().unwrap()?;
    Ok(outcomes[0].iter().map(Outcome::code).collect())
}

fn account_id(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

fn moves(id: u128, debit: &str, credit: &str, amount: u64) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(id),
        debit_account_id: account_id(debit),
        credit_account_id: account_id(credit),
        amount,
        description: "x".into(),
        notes: ledger::Notes::NONE,
    }
}

/// Opens accounts with a limit of 1,000,000 and lets `count` pending transfers of 1 come due, from
/// `early` to `shop`, and after them ten from `late` to `shop`.
fn burst(clock: &ManualClock, writer: &mut Writer<FaultyStorage>, queue: &Queue, count: usize) {
    let open = |id| {
        Command::OpenAccount(OpenAccount {
            id: account_id(id),
            currency: Currency::new("BRL").unwrap(),
            credit_limit: 1_000_000,
        })
    };
    let opened = ["early", "late", "shop", "other"].map(open).to_vec();
    give(writer, queue, opened).unwrap();
    let pend = |number: usize| Command::Pend {
        transfer: if number < count {
            moves(number as u128, "early", "shop", 1)
        } else {
            moves(number as u128, "late", "shop", 1)
        },
        timeout_s: 1,
    };
    let pends: Vec<_> = (0..count + 10).map(pend).collect();
    for pends in pends.chunks(8) {
        give(writer, queue, pends.to_vec()).unwrap();
    }
    assert_eq!(writer.pipeline.draft.expiries.len(), count + 10);
    clock.advance_ns(2_000_000_000);
}

/// A burst of due expiries takes turns with commands: a round applies a bounded number of them, and
/// beyond it what its own commands depend upon.
#[test]
fn a_burst_of_expiries_holds_up_nobody() {
    const COUNT: usize = 2 * ROUND_EXPIRIES + 500;
    let clock = Arc::<ManualClock>::default();
    let (mut writer, queue) = idle_writer(&clock);
    burst(&clock, &mut writer, &queue, COUNT);
    let left = |writer: &Writer<FaultyStorage>| writer.pipeline.draft.expiries.len();
    let transfer = |id, debit, amount| vec![Command::Transfer(moves(id, debit, "shop", amount))];

    // What comes into the shop depends on none of what is reserved for it.
    let codes = give(&mut writer, &queue, transfer(90_001, "other", 1)).unwrap();
    assert_eq!(codes, ["created"]);
    assert_eq!(left(&writer), COUNT + 10 - ROUND_EXPIRIES);
    assert!(writer.expiring.has_backlog);
    // All of it is available only without its ten, which are due last.
    let codes = give(&mut writer, &queue, transfer(90_002, "late", 1_000_000)).unwrap();
    assert_eq!(codes, ["created"]);
    assert_eq!(left(&writer), COUNT - 2 * ROUND_EXPIRIES);
    // The rest goes by itself, without waiting.
    assert!(writer.next_request().is_err());
    writer.idle();
    assert_eq!(left(&writer), 0);
    assert!(!writer.expiring.has_backlog);
}

#[test]
fn a_batch_that_depends_on_too_many_expiries_comes_through_in_the_end() {
    const COUNT: usize = CALL_EXPIRIES_MAX + 2 * ROUND_EXPIRIES;
    let clock = Arc::<ManualClock>::default();
    let (mut writer, queue) = idle_writer(&clock);
    burst(&clock, &mut writer, &queue, COUNT);
    let all = || vec![Command::Transfer(moves(90_001, "early", "shop", 1_000_000))];
    let refused = give(&mut writer, &queue, all()).unwrap_err();
    assert_eq!(refused, Unavailable::Overloaded);
    assert_eq!(writer.pipeline.draft.expiries.len(), ROUND_EXPIRIES + 10);
    let looked_up = writer.expiring.walk.lookups_count();
    assert_eq!(looked_up, 0, "what was not finished is looked up anew");
    // Nothing was done under its id, and asked again it is.
    let codes = give(&mut writer, &queue, all()).unwrap();
    assert_eq!(codes, ["created"]);
}

/// What is due on an account is looked up once in a round, not once for each command that names it.
#[test]
fn what_is_due_is_looked_up_once_in_a_round() {
    const COUNT: usize = 6_000;
    const COMMANDS: usize = 40;
    let clock = Arc::<ManualClock>::default();
    let (mut writer, queue) = idle_writer(&clock);
    burst(&clock, &mut writer, &queue, COUNT);
    // Together they need all that the account may spend.
    let command = |id| transfer(90_000 + id, "early", "shop", 1_000_000 / COMMANDS as u64);
    let deadline = Instant::now() + Duration::from_secs(60);
    let batches = (0..COMMANDS as u128)
        .map(command)
        .collect::<Vec<_>>()
        .chunks(8)
        .map(|commands| Batch::independent(commands.to_vec()).unwrap())
        .collect();
    let mut answer = queue.push(batches, Intent::Apply, deadline, None).unwrap();
    let mut bystander = push(&queue, vec![transfer(99_000, "other", "shop", 1)]);
    let request = writer.waiting.receiver.recv().unwrap();
    writer.round(request);
    writer.land();
    let looked_up = writer.expiring.walk.lookups_count();
    let once = COUNT - ROUND_EXPIRIES + 1;
    assert_eq!(looked_up, once as u64);
    let outcomes = answer.try_recv().unwrap().unwrap();
    let created = outcomes
        .iter()
        .flatten()
        .filter(|one| one.code() == "created");
    assert_eq!(created.count(), COMMANDS);
    // So many expiries are a round's work: who comes next is next.
    assert_eq!(bystander.try_recv().unwrap_err(), TryRecvError::Empty);
    let request = writer.waiting.receiver.recv().unwrap();
    writer.round(request);
    assert_eq!(codes(&mut bystander), ["created"]);
}

/// One account's backlog is nobody else's matter: who is gathered into the same round is answered.
#[test]
fn too_large_a_backlog_fails_its_own_call_alone() {
    const COUNT: usize = CALL_EXPIRIES_MAX + 4 * ROUND_EXPIRIES;
    let clock = Arc::<ManualClock>::default();
    let (mut writer, queue) = idle_writer(&clock);
    burst(&clock, &mut writer, &queue, COUNT);
    let mut answers = [
        push(&queue, vec![transfer(90_001, "other", "shop", 1)]),
        push(&queue, vec![transfer(90_002, "early", "shop", 1)]),
        push(&queue, vec![transfer(90_003, "late", "shop", 1_000_000)]),
    ];
    while let Ok(request) = writer.waiting.receiver.try_recv() {
        writer.round(request);
    }
    assert_eq!(codes(&mut answers[0]), ["created"]);
    let refused = answers[1].try_recv().unwrap().unwrap_err();
    assert_eq!(refused, Unavailable::Overloaded);
    assert_eq!(codes(&mut answers[2]), ["created"]);
}

/// Many short batches under the id of a long one must not each read the long one's members.
#[test]
fn a_batch_with_other_members_reads_none_of_the_first_ones() {
    let storage = FaultyStorage::new(1);
    let (mut writer, queue) = late_writer(&storage);
    let id = BatchId::from_u128(7);
    let atomic = |members: std::ops::Range<u128>| {
        let commands = members.map(|number| {
            let description = format!("member {number}").into();
            let moves = moves(number, "world:BRL", "payer", 1);
            Command::Transfer(MoveMoney {
                description,
                ..moves
            })
        });
        Batch::atomic(id, commands.collect()).unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut answer = |batch| {
        let mut answer = queue
            .push(vec![batch], Intent::Apply, deadline, None)
            .unwrap();
        let request = writer.waiting.receiver.recv().unwrap();
        writer.round(request);
        writer.land();
        answer.try_recv().unwrap().unwrap().remove(0)
    };
    assert_eq!(answer(atomic(100..140)).len(), 40);
    // A member that cannot be read any more harms only who asks for it.
    let file = "0000000000.segment";
    let bytes = storage.bytes(file).unwrap();
    let member = b"member 139";
    let found = bytes
        .windows(member.len())
        .position(|bytes| bytes == member);
    storage.flip_bit(file, found.expect("the member's record") as u64 * 8);
    let other = answer(atomic(200..201));
    assert_eq!(other[0].code(), "exists_with_different_members");
}

/// A writer over this storage that has every frame written late, and its queue.
fn late_writer(storage: &FaultyStorage) -> (Writer<FaultyStorage>, Queue) {
    let (mut writer, queue) = idle_writer_over(storage.clone(), &Arc::default());
    writer.pipeline.part_bytes = 1;
    let open = |id| {
        Command::OpenAccount(OpenAccount {
            id: account_id(id),
            currency: Currency::new("BRL").unwrap(),
            credit_limit: 0,
        })
    };
    let opened = ["payer", "payee"].map(open).to_vec();
    assert_eq!(give(&mut writer, &queue, opened).unwrap(), ["created"; 2]);
    (writer, queue)
}

type Answered = tokio::sync::oneshot::Receiver<Answer>;

fn push(queue: &Queue, commands: Vec<Command>) -> Answered {
    let deadline = Instant::now() + Duration::from_secs(60);
    let batch = Batch::independent(commands).unwrap();
    queue
        .push(vec![batch], Intent::Apply, deadline, None)
        .unwrap()
}

fn transfer(id: u128, debit: &str, credit: &str, amount: u64) -> Command {
    Command::Transfer(moves(id, debit, credit, amount))
}

fn codes(answered: &mut Answered) -> Vec<&'static str> {
    let outcomes = answered.try_recv().unwrap().unwrap();
    outcomes[0].iter().map(Outcome::code).collect()
}

/// Two calls: the second spends what the first one brings, and asks for it again.
fn two_calls(queue: &Queue) -> [Answered; 2] {
    let first = vec![
        transfer(1, "world:BRL", "payer", 100),
        transfer(2, "payer", "payee", 101),
    ];
    let mut second = first.clone();
    second.push(transfer(3, "payer", "payee", 100));
    second.push(transfer(4, "payer", "payee", 1));
    [push(queue, first), push(queue, second)]
}

#[test]
fn a_frame_is_decided_upon_the_one_on_its_way_and_answered_after_it() {
    let storage = FaultyStorage::new(1);
    let (mut writer, queue) = late_writer(&storage);
    let [mut first, mut second] = two_calls(&queue);
    let written_before = storage.operations();

    let request = writer.next_request().unwrap();
    writer.round(request);
    assert!(writer.pipeline.is_in_flight());
    assert_eq!(storage.operations(), written_before);
    assert_eq!(first.try_recv().unwrap_err(), TryRecvError::Empty);
    let balance = |writer: &Writer<FaultyStorage>, id| {
        let books = writer.shared.books.read();
        books
            .accounts
            .get(&account_id(id))
            .unwrap()
            .account
            .balance()
    };
    assert_eq!(balance(&writer, "payer"), 0);

    // The next one is decided before the first is written, and written after it.
    let request = writer.next_request().unwrap();
    writer.take(request);
    assert_eq!(storage.operations(), written_before);
    assert_eq!(second.try_recv().unwrap_err(), TryRecvError::Empty);
    writer.flush(true);
    assert_eq!(codes(&mut first), ["created", "insufficient_funds"]);
    assert_eq!(
        (balance(&writer, "payer"), balance(&writer, "payee")),
        (100, 0)
    );
    assert_eq!(second.try_recv().unwrap_err(), TryRecvError::Empty);
    writer.land();
    let expected = [
        "exists",
        "insufficient_funds",
        "created",
        "insufficient_funds",
    ];
    assert_eq!(codes(&mut second), expected);
    assert_eq!(
        (balance(&writer, "payer"), balance(&writer, "payee")),
        (0, 100)
    );
    drop(writer);
    let recovered = recover(storage.crash(), options().journal, u64::MAX, None).unwrap();
    assert_eq!(recovered.books.transfer_ids_count, 4);
}

#[test]
fn who_relies_on_a_frame_that_fails_is_not_answered_well() {
    let storage = FaultyStorage::new(1);
    let (mut writer, queue) = late_writer(&storage);
    let [mut first, mut second] = two_calls(&queue);
    // What follows upon what was answered before only.
    let mut third = push(&queue, vec![transfer(9, "world:BRL", "payee", 1)]);
    let request = writer.next_request().unwrap();
    writer.round(request);
    storage.fail_operation(storage.operations() + 1);
    let request = writer.next_request().unwrap();
    writer.round(request);
    for answered in [&mut first, &mut second, &mut third] {
        let answer = answered.try_recv().unwrap();
        assert_eq!(answer.unwrap_err(), Unavailable::StorageFailed);
    }
    assert_eq!(writer.shared.books.read().transfer_ids_count, 0);
}
