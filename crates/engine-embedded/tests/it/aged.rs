//! Records that an earlier version wrote: their commands are answered again, nothing new is like
//! them.

use std::convert::Infallible;
use std::sync::Arc;

use engine_embedded::{EmbeddedOptions, verify};
use journal::faulty::FaultyStorage;
use journal::{Journal, Visited};
use ledger::{BoxFuture, Engine};
use parking_lot::Mutex;
use testkit::conformance::{Aged, Subject, Time, check_aged, replaced};

use crate::bank::{small, wait};
use crate::subject::EmbeddedSubject;

type Reopen = Box<dyn Fn() -> FaultyStorage + Send>;

/// An engine whose storage can be exchanged while it is closed.
struct AgedSubject {
    storage: Arc<Mutex<FaultyStorage>>,
    options: EmbeddedOptions,
    /// `None` only while it is closed.
    inner: Option<EmbeddedSubject<FaultyStorage, Reopen>>,
}

impl AgedSubject {
    fn open(options: EmbeddedOptions) -> Self {
        let mut subject = Self {
            storage: Arc::new(Mutex::new(FaultyStorage::new(1))),
            options,
            inner: None,
        };
        subject.start();
        subject
    }

    fn start(&mut self) {
        let storage = Arc::clone(&self.storage);
        let reopen: Reopen = Box::new(move || storage.lock().clone());
        self.inner = Some(EmbeddedSubject::open(self.options.clone(), reopen));
    }
}

impl Subject for AgedSubject {
    fn engine(&self) -> Arc<dyn Engine> {
        self.inner.as_ref().unwrap().engine()
    }

    fn time(&self) -> Time {
        self.inner.as_ref().unwrap().time()
    }
}

impl Aged for AgedSubject {
    /// A journal is never changed: another one is written, frame by frame. As every record keeps its
    /// length, every record keeps its address.
    fn age<'a>(&'a mut self, new: &'a [u8], old: &'a [u8]) -> BoxFuture<'a, ()> {
        drop(self.inner.take());
        let mut frames: Vec<(u64, Vec<Vec<u8>>)> = Vec::new();
        let before = self.storage.lock().clone();
        let scanned = journal::scan(&before, |visited: Visited<'_>| {
            if visited.index_in_frame == 0 {
                frames.push((visited.frame.time_ns, Vec::new()));
            }
            let records = &mut frames.last_mut().unwrap().1;
            records.push(replaced(visited.payload, new, old));
            Ok::<(), Infallible>(())
        });
        scanned.unwrap();
        let storage = FaultyStorage::new(1);
        let nothing = |_: Visited<'_>| Ok::<(), Infallible>(());
        let options = self.options.journal.clone();
        let (mut journal, _) = Journal::open(storage.clone(), options, nothing).unwrap();
        for (time_ns, records) in frames {
            let bytes = records.iter().map(Vec::len).sum();
            journal.begin(bytes, records.len()).unwrap();
            for record in records {
                journal.push(|frame| frame.extend_from_slice(&record));
            }
            journal.commit(time_ns).unwrap();
        }
        drop(journal);
        *self.storage.lock() = storage;
        self.start();
        Box::pin(async {})
    }
}

#[test]
fn what_an_earlier_version_recorded_is_answered_again() {
    let mut subject = AgedSubject::open(small(112, 104));
    wait(check_aged(&mut subject));
    let storage = subject.storage.lock().clone();
    drop(subject);
    let verified = verify(storage, small(112, 104).journal, false).unwrap();
    assert_eq!(verified.audit.findings, []);
}
