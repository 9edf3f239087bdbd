//! A ledger that closes waits for nothing that is made beside the journal.

use std::io;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use journal::faulty::{FaultyFile, FaultyLock, FaultyStorage};
use journal::{Address, LockAttempt, Storage, StorageFile, read_segment_start};
use ledger::{Account, AccountId, Currency, Expiries, Limit, Timestamp};
use parking_lot::{Mutex, RwLock};

use super::{Keeper, Kept};
use crate::accounts::Kept as KeptAccount;
use crate::beside::{Pace, Stop};
use crate::books::Books;
use crate::ids::{Sealed, SegmentIds, Space, TableSet, segments_of};
use crate::snapshot::{NewestSnapshot, Taker};
use crate::sums::SumTables;

/// A storage on which the syncs of one file end only once the ledger closes.
#[derive(Clone)]
struct Slow {
    inner: FaultyStorage,
    file: &'static str,
    seen: Arc<Seen>,
}

struct Seen {
    stop: OnceLock<Stop>,
    /// Each sync of the file says so.
    syncs: Mutex<mpsc::Sender<()>>,
}

struct SlowFile {
    inner: FaultyFile,
    /// Where it is the file whose syncs wait.
    seen: Option<Arc<Seen>>,
}

impl Slow {
    fn new(inner: FaultyStorage, file: &'static str) -> (Self, mpsc::Receiver<()>) {
        let (syncs, synced) = mpsc::channel();
        let seen = Arc::new(Seen {
            stop: OnceLock::new(),
            syncs: Mutex::new(syncs),
        });
        (Self { inner, file, seen }, synced)
    }

    fn file(&self, name: &str, inner: io::Result<FaultyFile>) -> io::Result<SlowFile> {
        let seen = (name == self.file).then(|| Arc::clone(&self.seen));
        inner.map(|inner| SlowFile { inner, seen })
    }
}

impl Storage for Slow {
    type File = SlowFile;
    type Lock = FaultyLock;

    fn place(&self) -> String {
        self.inner.place()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create(&self, name: &str) -> io::Result<SlowFile> {
        self.file(name, self.inner.create(name))
    }

    fn open(&self, name: &str) -> io::Result<SlowFile> {
        self.file(name, self.inner.open(name))
    }

    fn open_read_only(&self, name: &str) -> io::Result<SlowFile> {
        self.file(name, self.inner.open_read_only(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn try_lock(&self) -> io::Result<LockAttempt<FaultyLock>> {
        self.inner.try_lock()
    }

    fn draw_id(&self) -> [u8; 16] {
        self.inner.draw_id()
    }
}

impl StorageFile for SlowFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        if let Some(seen) = &self.seen {
            seen.syncs.lock().send(()).unwrap();
            while !seen.stop.get().unwrap().is_asked() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.inner.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.inner.reserve(bytes)
    }
}

/// Ids whose table is written in several pieces.
fn many_ids(segment: u64) -> Sealed {
    let mut ids = SegmentIds::default();
    for number in 1..=50_000 {
        let address = Address::from_u64(number).unwrap();
        ids.insert(Space::Transfers, u128::from(number), address);
    }
    Sealed { segment, ids }
}

/// Accounts whose snapshot is written in several pieces.
fn many_accounts() -> Books {
    let mut books = Books::default();
    let currency = Currency::new("BRL").unwrap();
    for number in 0..50_000 {
        let id = AccountId::new(&format!("users:{number}")).unwrap();
        let account = Account::new(currency, Limit::Credit(number), Timestamp::default());
        let kept = KeptAccount {
            account,
            last_entry: None,
            opened: None,
        };
        books.accounts.push(id, kept);
    }
    books
}

/// A keeper with threads over five sealed segments.
fn keeper(storage: Slow, tables: TableSet<Slow>, books: Books) -> Keeper<Slow> {
    storage.seen.stop.set(tables.stop().clone()).unwrap();
    let kept = Kept {
        sums: sums_of(&storage, &tables),
        taker: Taker {
            stop: tables.stop().clone(),
            storage: Arc::new(storage),
            books: Arc::new(RwLock::new(books)),
        },
        tables: Arc::new(tables),
        newest_snapshot: NewestSnapshot::default(),
        snapshot_bytes: 0,
        merge_pace: Pace::default(),
    };
    Keeper::start(kept, true).unwrap()
}

fn segments() -> FaultyStorage {
    let storage = FaultyStorage::new(1);
    drop(segments_of(&storage, 5));
    storage
}

fn open_tables(storage: &Slow) -> TableSet<Slow> {
    TableSet::open(&Arc::new(storage.clone())).unwrap().0
}

fn sums_of(storage: &Slow, tables: &TableSet<Slow>) -> Arc<SumTables<Slow>> {
    let opened = SumTables::open(&Arc::new(storage.clone()), tables.stop().clone());
    Arc::new(opened.unwrap().0)
}

/// Closes the keeper while a file is written: its first piece was, and no more of it.
fn close(keeper: Keeper<Slow>, synced: &mpsc::Receiver<()>) {
    synced.recv().unwrap();
    let Slow { inner, file, .. } = (*keeper.snapshots.taker.storage).clone();
    let mut before = inner.list().unwrap();
    before.retain(|name| name != file);
    drop(keeper);
    assert!(synced.try_recv().is_err(), "more of it was written");
    // The unfinished file is gone, and nothing else has come.
    assert_eq!(inner.list().unwrap(), before);
}

#[test]
fn closing_does_not_wait_for_a_table() {
    let inner = segments();
    let (storage, synced) = Slow::new(inner.clone(), "table.partial");
    let tables = open_tables(&storage);
    (0..3).for_each(|segment| tables.seal(many_ids(segment)));
    close(keeper(storage, tables, Books::default()), &synced);
}

#[test]
fn closing_does_not_wait_for_a_merge() {
    let inner = segments();
    let (tables, _) = TableSet::open(&Arc::new(inner.clone())).unwrap();
    (0..4).for_each(|segment| tables.seal(many_ids(segment)));
    tables.make_owed().unwrap();
    let (storage, synced) = Slow::new(inner.clone(), "merge.partial");
    let tables = open_tables(&storage);
    close(keeper(storage, tables, Books::default()), &synced);
}

#[test]
fn closing_does_not_wait_for_a_snapshot() {
    let inner = segments();
    let (storage, synced) = Slow::new(inner.clone(), "snapshot.partial");
    let tables = open_tables(&storage);
    let mut keeper = keeper(storage, tables, many_accounts());
    let books = Arc::clone(&keeper.snapshots.taker.books);
    let start = read_segment_start(&inner, 5).unwrap().unwrap();
    let mut expiries = Expiries::default();
    keeper.snapshot(
        start,
        &mut books.write(),
        &mut expiries,
        Timestamp::default(),
    );
    close(keeper, &synced);
}
