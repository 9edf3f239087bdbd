//! What a single round does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::faulty::FaultyStorage;
use ledger::{AccountId, Batch, Command, Ticker};
use testkit::ManualClock;
use tokio::sync::oneshot::error::TryRecvError;

use super::{ROUND_REQUEST_BYTES, Writer};
use crate::engine::Options;
use crate::metrics::Metrics;
use crate::open::{Recovered, recover};
use crate::queue::{Queue, queue};
use crate::shared::Shared;

/// A writer that does nothing by itself, and the callers' end of its queue.
fn idle_writer() -> (Writer<FaultyStorage>, Queue) {
    let options = journal::Options {
        segment_bytes: 64 << 10,
        frame_bytes_max: 32 << 10,
        ..Options::default().journal
    };
    let Recovered {
        journal,
        books,
        draft,
        last,
        ..
    } = recover(FaultyStorage::new(1), options).unwrap();
    let (queue, waiting) = queue(usize::MAX);
    let writer = Writer {
        shared: Arc::new(Shared::new(books, journal.reader())),
        journal,
        clock: Arc::<ManualClock>::default(),
        ticker: Ticker::after(last),
        draft,
        waiting,
        metrics: Metrics::new(),
        answers: Vec::new(),
    };
    (writer, queue)
}

/// Refusals without a trace fill no frame: a stream of them must not keep the round open.
#[test]
fn a_round_of_nothing_but_refusals_ends_too() {
    let (mut writer, queue) = idle_writer();
    let account_id = AccountId::new("nobody").unwrap();
    let commands = vec![Command::CloseAccount { account_id }; 10];
    let deadline = Instant::now() + Duration::from_secs(60);
    let push = || {
        let batch = Batch::independent(commands.clone()).unwrap();
        queue.push(vec![batch], deadline).unwrap()
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
