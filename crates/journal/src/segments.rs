//! The segment files that readers and the writer share.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::format::Seal;
use crate::storage::{Storage, segment_name};

/// An open segment and when it was last asked for.
struct Open<F> {
    file: Arc<F>,
    used: AtomicU64,
}

/// The journal's segments; opened when first read, the longest unused closed when there are many.
pub(crate) struct Segments<S: Storage> {
    pub(crate) storage: Arc<S>,
    pub(crate) segment_bytes: u64,
    pub(crate) seal: Seal,
    files: RwLock<HashMap<u64, Open<S::File>>>,
    files_max: usize,
    clock: AtomicU64,
}

impl<S: Storage> Segments<S> {
    pub(crate) fn new(storage: Arc<S>, segment_bytes: u64, seal: Seal, files_max: usize) -> Self {
        Self {
            storage,
            segment_bytes,
            seal,
            files: RwLock::default(),
            files_max: files_max.max(1),
            clock: AtomicU64::new(0),
        }
    }

    /// The segment's file, if it is open.
    pub(crate) fn open_file(&self, number: u64) -> Option<Arc<S::File>> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let files = self.files.read();
        let open = files.get(&number)?;
        open.used.store(now, Ordering::Relaxed);
        Some(Arc::clone(&open.file))
    }

    /// The segment's file, opened if it is not.
    pub(crate) fn file(&self, number: u64) -> io::Result<Arc<S::File>> {
        if let Some(file) = self.open_file(number) {
            return Ok(file);
        }
        let file = Arc::new(self.storage.open_read_only(&segment_name(number))?);
        self.insert(number, Arc::clone(&file));
        Ok(file)
    }

    /// Closes a segment's file, if it is open; who reads from it may go on to.
    pub(crate) fn forget(&self, number: u64) {
        self.files.write().remove(&number);
    }

    /// Shares a file that is open already.
    pub(crate) fn insert(&self, number: u64, file: Arc<S::File>) {
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed));
        let mut files = self.files.write();
        if files.len() >= self.files_max && !files.contains_key(&number) {
            let oldest = files
                .iter()
                .min_by_key(|(_, open)| open.used.load(Ordering::Relaxed));
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                files.remove(&oldest);
            }
        }
        files.insert(number, Open { file, used });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::FaultyStorage;
    use crate::format::JournalId;

    #[test]
    fn the_longest_unused_are_closed() {
        const MAX: usize = 20;
        let storage = Arc::new(FaultyStorage::new(1));
        let seal = Seal::new(JournalId([1; 16]));
        let segments = Segments::new(Arc::clone(&storage), 4096, seal, MAX);
        let many = MAX as u64 + 50;
        for number in 0..many {
            storage.create(&segment_name(number)).unwrap();
            segments.file(number).unwrap();
            segments.file(0).unwrap();
        }
        let files = segments.files.read();
        assert_eq!(files.len(), MAX);
        assert!(files.contains_key(&0) && files.contains_key(&(many - 1)));
        assert!(!files.contains_key(&1));
    }
}
