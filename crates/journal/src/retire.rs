//! Retiring: removing the oldest segments once nobody needs their records any more.
//!
//! One at a time, the oldest first, each removal synced before the next: whatever a crash keeps of
//! them, the segments that are left are numbered without a gap. The header of the oldest one left
//! names the frame that its chain continues, so it is checked from there as before.

use std::io;

use crate::address::Address;
use crate::error::RetireError;
use crate::journal::Journal;
use crate::options::Durability;
use crate::storage::{Storage, StorageFile, segment_name};

impl<S: Storage> Journal<S> {
    /// Removes the segments that lie wholly before the one that `address` is in; their records
    /// cannot be read any more. The current segment is never removed. Everything committed so far
    /// is durable before anything is removed, whatever the durability.
    ///
    /// # Errors
    ///
    /// See [`RetireError`]; all that is kept can be written and read as before.
    ///
    /// # Panics
    ///
    /// If the journal was opened without [`JournalOptions::retires`](crate::JournalOptions::retires).
    pub fn retire_before(&mut self, address: Address) -> Result<(), RetireError> {
        assert!(
            self.options.retires,
            "a journal that is kept whole retires nothing"
        );
        let (wanted, _) = address.split(self.segments.segment_bytes);
        let first_kept = wanted.min(self.start.number);
        if self.first_segment >= first_kept {
            return Ok(());
        }
        if let Some(failure) = &self.failed {
            return Err(RetireError::Failed(failure.clone()));
        }
        if self.options.durability == Durability::Os
            && let Err(error) = self.file.sync()
        {
            let name = segment_name(self.start.number);
            return Err(RetireError::Failed(self.fail("sync", &name, &error)));
        }
        while self.first_segment < first_kept {
            self.retire_oldest()?;
        }
        Ok(())
    }

    fn retire_oldest(&mut self) -> Result<(), RetireError> {
        let name = segment_name(self.first_segment);
        match self.segments.storage.remove(&name) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(RetireError::Io { file: name, source });
            }
            // Gone already: a removal before this one failed after it was done.
            Ok(()) | Err(_) => {}
        }
        if let Err(error) = self.segments.storage.sync_directory() {
            // Unknown whether it is gone for good; a later removal that is could leave a gap.
            let failure = self.fail("sync the removal of", &name, &error);
            return Err(RetireError::Failed(failure));
        }
        self.segments.forget(self.first_segment);
        self.first_segment += 1;
        Ok(())
    }
}
