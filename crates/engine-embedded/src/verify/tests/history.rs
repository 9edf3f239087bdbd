//! A history of records that a test changes and writes to a journal, links and all.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::faulty::FaultyStorage;
use journal::{Journal, Visited};
use ledger::{
    Account, AccountId, Batch, Command, Engine, Event, MoveMoney, Payment, PaymentId,
    PaymentResolved, Refusal, TransferId, UsedId,
};
use testkit::ManualClock;

use super::script::{
    Step, freeze_steps, notes_steps, part_steps, reason_steps, resolution_steps, reversal_steps,
    steps,
};
use crate::record::{Links, decode, encode};
use crate::verify::{Audit, verify};
use crate::{EmbeddedEngine, EmbeddedOptions};

/// A record of the history.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Where the engine wrote it: what the links of others call it.
    address: u64,
    pub(super) links: Links,
    pub(super) event: Event,
}

/// Records, frame by frame.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) frames: Vec<Vec<Record>>,
}

fn options() -> journal::JournalOptions {
    journal::JournalOptions {
        segment_bytes: 1 << 20,
        frame_bytes_max: 1 << 18,
        ..EmbeddedOptions::default().journal
    }
}

impl History {
    /// What the engine makes of the script.
    pub(super) fn good() -> Self {
        Self::of(steps())
    }

    /// Likewise of the one in which operators resolve payments.
    pub(super) fn resolved() -> Self {
        Self::of(resolution_steps())
    }

    /// Likewise, of what has references and metadata.
    pub(super) fn noted() -> Self {
        Self::of(notes_steps())
    }

    /// Likewise, of what was reversed.
    pub(super) fn reversed() -> Self {
        Self::of(reversal_steps())
    }

    /// Likewise, of pending transfers that were posted in parts.
    pub(super) fn in_parts() -> Self {
        Self::of(part_steps())
    }

    /// Likewise, of accounts that were frozen.
    pub(super) fn frozen() -> Self {
        Self::of(freeze_steps())
    }

    /// Likewise, of changes of accounts with who decided them, and why.
    pub(super) fn reasoned() -> Self {
        Self::of(reason_steps())
    }

    fn of(steps: Vec<Step>) -> Self {
        let options = EmbeddedOptions {
            journal: options(),
            overlaps: false,
            ..EmbeddedOptions::default()
        };
        Self::read(&played(steps, options))
    }

    fn read(storage: &FaultyStorage) -> Self {
        let mut frames: Vec<Vec<Record>> = Vec::new();
        let gathered = journal::scan(storage, |visited: Visited<'_>| {
            let recorded = decode(visited.payload).unwrap();
            if visited.index_in_frame == 0 {
                frames.push(Vec::new());
            }
            frames.last_mut().unwrap().push(Record {
                address: visited.address.to_u64(),
                links: recorded.links,
                event: recorded.event,
            });
            Ok::<(), Infallible>(())
        });
        gathered.unwrap();
        Self { frames }
    }

    /// The history in a journal of its own, where the links lead to where they led before.
    pub(super) fn written(&self) -> (FaultyStorage, journal::JournalOptions) {
        let storage = FaultyStorage::new(1);
        let nothing = |_: Visited<'_>| Ok::<(), Infallible>(());
        let (mut journal, _) = Journal::open(storage.clone(), options(), nothing).unwrap();
        let mut moved: HashMap<u64, u64> = HashMap::new();
        for frame in &self.frames {
            journal.begin(frame.len() * 512, frame.len()).unwrap();
            for record in frame {
                let led = |address: u64| moved.get(&address).copied().unwrap_or(address);
                let links = Links {
                    debit_previous: led(record.links.debit_previous),
                    credit_previous: led(record.links.credit_previous),
                    origin: led(record.links.origin),
                };
                let address = journal.push(|bytes| encode(links, &record.event, bytes));
                moved.insert(record.address, address.to_u64());
            }
            journal.commit(1).unwrap();
        }
        (storage, options())
    }

    pub(super) fn audit(&self) -> Audit {
        let (storage, options) = self.written();
        verify(storage, options, true).unwrap().audit
    }

    /// The first such record.
    pub(super) fn find(&mut self, is_it: impl Fn(&Event) -> bool) -> &mut Record {
        let mut records = self.frames.iter_mut().flatten();
        records.find(|record| is_it(&record.event)).unwrap()
    }

    /// The number of its frame.
    pub(super) fn frame_of(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        let has_it = |frame: &Vec<Record>| frame.iter().any(|record| is_it(&record.event));
        self.frames.iter().position(has_it).unwrap()
    }

    pub(super) fn remove(&mut self, is_it: impl Fn(&Event) -> bool) {
        let frame = self.frame_of(&is_it);
        self.frames[frame].retain(|record| !is_it(&record.event));
    }

    /// The record once more, at the end.
    pub(super) fn again(&mut self, is_it: impl Fn(&Event) -> bool) {
        let record = self.find(is_it).clone();
        self.frames.push(vec![record]);
    }

    /// The record once more, right behind its frame.
    pub(super) fn twice(&mut self, is_it: impl Fn(&Event) -> bool) {
        let record = self.find(&is_it).clone();
        let frame = self.frame_of(is_it);
        self.frames.insert(frame + 1, vec![record]);
    }

    pub(super) fn transfer(&mut self, id: u128) -> &mut Record {
        let id = TransferId::from_u128(id);
        self.find(|event| matches!(event, Event::Transfer(transfer) if transfer.id == id))
    }

    pub(super) fn batch(&mut self, id: u128) -> &mut Record {
        let id = ledger::BatchId::from_u128(id);
        self.find(|event| matches!(event, Event::Batch(batch) if batch.id == id))
    }

    pub(super) fn opened(&mut self, account_id: &str) -> &mut Account {
        let record = self.find(|event| super::is_opened(event, account_id));
        match &mut record.event {
            Event::AccountOpened { account, .. } => account,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn limit_changed(&mut self) -> &mut Record {
        self.find(|event| matches!(event, Event::LimitChanged { .. }))
    }

    /// The refusal that a transfer's id was used by.
    pub(super) fn refused(&mut self, id: u128) -> (&mut Command, &mut Refusal) {
        let id = Some(UsedId::Transfer(TransferId::from_u128(id)));
        let is_it = |event: &Event| matches!(event, Event::Refused { command, .. } if command.used_id() == id);
        match &mut self.find(is_it).event {
            Event::Refused {
                command, refusal, ..
            } => (command, refusal),
            other => panic!("{other:?}"),
        }
    }

    /// The payment as the `nth` event about it leaves it, from 0: its acceptance.
    pub(super) fn payment(&mut self, id: u128, nth: usize) -> &mut Payment {
        match self.payment_event(id, nth) {
            Event::PaymentAccepted(payment)
            | Event::PaymentSent(payment)
            | Event::PaymentReleased(payment)
            | Event::PaymentRefused(payment) => payment,
            Event::PaymentSettled { payment, .. } => &mut *payment,
            Event::PaymentResolved(resolved) => &mut resolved.payment,
            other => panic!("{other:?}"),
        }
    }

    /// The `nth` event about the payment, a resolution.
    pub(super) fn resolved_event(&mut self, id: u128, nth: usize) -> &mut PaymentResolved {
        match self.payment_event(id, nth) {
            Event::PaymentResolved(resolved) => resolved,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn payment_event(&mut self, id: u128, nth: usize) -> &mut Event {
        let id = Some(PaymentId::from_u128(id));
        let events = self.frames.iter_mut().flatten().map(|r| &mut r.event);
        let mut about = events.filter(|event| event.payment().map(|payment| payment.id) == id);
        about.nth(nth).unwrap()
    }
}

/// What an engine makes of the script.
fn played(steps: Vec<Step>, options: EmbeddedOptions) -> FaultyStorage {
    let storage = FaultyStorage::new(1);
    let clock = Arc::new(ManualClock::default());
    let (engine, _) = EmbeddedEngine::open(storage.clone(), options, clock.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for step in steps {
        match step {
            Step::Advance(by) => clock.advance_ns(by),
            Step::Submit(batches) => {
                let deadline = Instant::now() + Duration::from_secs(20);
                runtime.block_on(engine.submit(batches, deadline)).unwrap();
            }
        }
    }
    drop(engine);
    storage
}

/// The good history in several segments, with snapshots and tables beside it.
pub(super) fn good_in_segments() -> (FaultyStorage, journal::JournalOptions) {
    let journal = journal::JournalOptions {
        segment_bytes: 24 << 10,
        frame_bytes_max: 20 << 10,
        ..EmbeddedOptions::default().journal
    };
    let options = EmbeddedOptions {
        journal: journal.clone(),
        overlaps: false,
        snapshot_bytes: 0,
        ..EmbeddedOptions::default()
    };
    let deposit = |id| {
        Command::Transfer(MoveMoney {
            id: TransferId::from_u128(id),
            debit_account_id: AccountId::new("world:BRL").unwrap(),
            credit_account_id: AccountId::new("a").unwrap(),
            amount: 1,
            description: "deposit".into(),
            notes: ledger::Notes::NONE,
        })
    };
    let deposits = (0..30_u128).map(|round| {
        let ids = 1_000_000 + round * 30..1_000_030 + round * 30;
        Step::Submit(vec![
            Batch::independent(ids.map(deposit).collect()).unwrap(),
        ])
    });
    let all = steps().into_iter().chain(deposits).collect();
    (played(all, options), journal)
}
