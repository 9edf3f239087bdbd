//! A frame is decided while another thread writes the one before.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine_embedded::verify;
use journal::Storage;
use journal::faulty::FaultyStorage;
use ledger::{Command, Outcome, Unavailable};

use crate::bank::{Bank, account_id, deposit, small, small_overlapping, submit, transfer};
use crate::gated::Gated;

/// As many commands as make a frame go although more waits.
const COMMANDS: u128 = 60;
const SYNCER: &str = "lastro-sync";

type Answered = JoinHandle<Result<Vec<Outcome>, Unavailable>>;

struct Lab {
    storage: Gated,
    bank: Arc<Bank<Gated>>,
}

impl Lab {
    /// Call 1 is being synced by the writer itself, and calls 2 and 3 wait behind it.
    fn new() -> (Self, [Answered; 3]) {
        let storage = Gated::new(FaultyStorage::new(1));
        let bank = Arc::new(Bank::open(storage.clone(), small_overlapping(1_024, 64)));
        bank.open_accounts(&["a", "b"]);
        let lab = Self { storage, bank };
        lab.storage.close();
        let first = lab.call(deposits(1));
        lab.storage.wait_for_a_sync();
        let second = lab.call(deposits(2));
        // They wait in this order.
        thread::sleep(Duration::from_millis(100));
        // All of it comes with call 2.
        let third = lab.call(vec![
            transfer(9_000, "a", "b", 2 * COMMANDS as u64),
            transfer(9_001, "a", "b", 1),
        ]);
        thread::sleep(Duration::from_millis(100));
        (lab, [first, second, third])
    }

    fn call(&self, commands: Vec<Command>) -> Answered {
        let bank = Arc::clone(&self.bank);
        thread::spawn(move || bank.submit(commands))
    }

    /// Lets call 1 finish, and waits until call 2 is on its way.
    fn send_the_second(&self) {
        self.storage.let_one_through();
        self.storage.wait_for_a_sync_of(SYNCER);
    }
}

fn deposits(call: u128) -> Vec<Command> {
    let numbers = call * 1_000..call * 1_000 + COMMANDS;
    numbers.map(|number| deposit(number, "a", 1)).collect()
}

fn codes(answered: Answered) -> Vec<&'static str> {
    let outcomes = answered.join().unwrap().unwrap();
    outcomes.iter().map(Outcome::code).collect()
}

#[test]
fn nobody_is_answered_before_the_frame_that_they_rely_on_is_durable() {
    let (lab, [first, second, third]) = Lab::new();
    lab.send_the_second();
    assert_eq!(codes(first), ["created"; COMMANDS as usize]);
    assert_eq!(lab.bank.account("a").balance(), COMMANDS as i64);
    // Call 3 is decided by now, and so is one without a record: both wait for call 2.
    let account_id = account_id("nobody");
    let fourth = lab.call(vec![Command::CloseAccount {
        account_id,
        expected_entry_count: None,
        by: None,
    }]);
    thread::sleep(Duration::from_millis(200));
    assert!(!second.is_finished() && !third.is_finished() && !fourth.is_finished());
    assert_eq!(lab.bank.account("a").balance(), COMMANDS as i64);
    assert_eq!(lab.bank.transfer(2_000), Ok(None));

    // Call 2 is answered while call 3 waits for its own sync.
    lab.storage.let_one_through();
    assert_eq!(codes(second), ["created"; COMMANDS as usize]);
    assert_eq!(lab.bank.account("a").balance(), 2 * COMMANDS as i64);
    assert!(!third.is_finished());
    lab.storage.open_gate();
    assert_eq!(codes(third), ["created", "insufficient_funds"]);
    assert_eq!(codes(fourth), ["account_not_found"]);
    assert_eq!(lab.bank.account("a").balance(), 0);

    let storage = lab.storage.inner.clone();
    drop(lab);
    let verified = verify(storage.copy(), small(1_024, 64).journal, true).unwrap();
    assert!(verified.is_clean());
    // Two openings, two calls of deposits, and the outcomes of call 3.
    assert_eq!(verified.audit.records_count, 2 * COMMANDS as u64 + 4);
}

#[test]
fn a_failed_sync_is_told_to_all_who_rely_on_it() {
    let (lab, [first, second, third]) = Lab::new();
    lab.send_the_second();
    assert_eq!(codes(first), ["created"; COMMANDS as usize]);
    let next = lab.storage.inner.operations() + 1;
    lab.storage.inner.fail_operation(next);
    lab.storage.open_gate();
    for answered in [second, third] {
        assert_eq!(answered.join().unwrap(), Err(Unavailable::StorageFailed));
    }
    assert_eq!(lab.bank.account("a").balance(), COMMANDS as i64);
    assert_eq!(
        lab.bank.submit(vec![deposit(9_999, "a", 1)]),
        Err(Unavailable::StorageFailed)
    );
}

/// What shows that the writer lives: a full queue answers by itself.
#[test]
fn the_count_of_rounds_stands_still_while_the_disk_does() {
    let storage = Gated::new(FaultyStorage::new(1));
    let mut options = small_overlapping(1_024, 64);
    options.queue_bytes_max = 64 << 10;
    let bank = Arc::new(Bank::open(storage.clone(), options));
    bank.open_accounts(&["a"]);
    wait_for_a_round_after(&bank, 0);
    storage.close();
    let lab = Lab { storage, bank };
    let first = lab.call(deposits(1));
    lab.storage.wait_for_a_sync();
    let before = lab.bank.engine.rounds_count();
    let refused = (2..).find_map(|call| {
        let deadline = Instant::now() + Duration::from_millis(50);
        let answered = submit(&*lab.bank.engine, deposits(call), deadline);
        (answered == Err(Unavailable::Overloaded)).then_some(answered)
    });
    assert!(refused.is_some());
    assert_eq!(lab.bank.engine.rounds_count(), before);
    lab.storage.open_gate();
    assert_eq!(codes(first), ["created"; COMMANDS as usize]);
    wait_for_a_round_after(&lab.bank, before);
}

/// A round is counted right after those who waited for it have been answered.
fn wait_for_a_round_after(bank: &Bank<impl Storage>, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while bank.engine.rounds_count() <= count {
        assert!(Instant::now() < deadline, "no round ends after {count}");
        thread::sleep(Duration::from_millis(1));
    }
}
