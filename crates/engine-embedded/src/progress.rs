//! How far an opening has come, for those who show it meanwhile.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{FrameInfo, Storage, StorageFile, segment_number};

/// How many bytes an opening reads, and how many of them it has read.
///
/// It is handed in by [`EmbeddedOptions::progress`](crate::EmbeddedOptions::progress) and may be read
/// from any thread. What is left of the journal's last segment behind its last frame counts as read
/// once the opening has looked at it.
#[derive(Debug, Default)]
pub struct OpeningProgress {
    /// Where in the journal the reading begins, and where it ends.
    span: OnceLock<Span>,
    /// How far the reading has come.
    reached: AtomicU64,
    /// What was read of segments to make tables of them.
    segments: AtomicU64,
}

/// A stretch of the journal, in bytes from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
    /// Size of a segment.
    segment_bytes: u64,
    /// What is read besides, to make tables of it.
    besides: u64,
}

impl OpeningProgress {
    /// How many bytes are read in all; `None` until that is known.
    #[must_use]
    pub fn bytes_total(&self) -> Option<u64> {
        self.span
            .get()
            .map(|span| span.besides + span.to - span.from)
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let segments = self.segments.load(Ordering::Relaxed);
        segments + self.reached.load(Ordering::Relaxed)
    }

    /// The reading begins. What is to be read is found out here: the segments from `first` on, and so
    /// many other ones that have no table.
    pub(crate) fn begin<S: Storage>(&self, storage: &S, first: u64, missing_count: u64) {
        // A storage that cannot be listed stops the opening itself, with the cause.
        if let Ok(span) = segments_span(storage, first, missing_count) {
            // An opening begins once.
            let _ = self.span.set(span);
        }
    }

    /// A segment that had no table has been read.
    pub(crate) fn segment_read(&self) {
        if let Some(span) = self.span.get() {
            self.segments
                .fetch_add(span.segment_bytes, Ordering::Relaxed);
        }
    }

    /// Everything up to the end of this frame has been read.
    pub(crate) fn reach(&self, frame: &FrameInfo) {
        if let Some(span) = self.span.get() {
            let end = frame.address.to_u64() + frame.frame_bytes();
            let reached = end.min(span.to).saturating_sub(span.from);
            self.reached.store(reached, Ordering::Relaxed);
        }
    }

    /// Everything has been read.
    pub(crate) fn finish(&self) {
        if let Some(bytes) = self.bytes_total() {
            let segments = self.segments.load(Ordering::Relaxed);
            let reached = bytes.saturating_sub(segments);
            self.reached.store(reached, Ordering::Relaxed);
        }
    }
}

/// From a segment to the end of the newest: all of them have the same size.
fn segments_span<S: Storage>(storage: &S, first: u64, missing_count: u64) -> io::Result<Span> {
    let names = storage.list()?;
    let numbers = names.iter().filter_map(|name| segment_number(name));
    let newest = numbers.max();
    let Some(newest) = newest else {
        return Ok(Span {
            from: 0,
            to: 0,
            segment_bytes: 0,
            besides: 0,
        });
    };
    let name = names
        .iter()
        .filter(|name| segment_number(name).is_some())
        .min();
    let segment_bytes = match name {
        Some(name) => storage.open_read_only(name)?.size()?,
        None => 0,
    };
    Ok(Span {
        from: first.saturating_mul(segment_bytes),
        to: newest.saturating_add(1).saturating_mul(segment_bytes),
        segment_bytes,
        besides: missing_count * segment_bytes,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use journal::FileStorage;
    use ledger::{AccountId, Batch, Command, Currency, Engine, OpenAccount};
    use testkit::RealClock;

    use super::*;
    use crate::{EmbeddedEngine, EmbeddedOptions};

    fn open(place: &std::path::Path) -> (EmbeddedEngine, Arc<OpeningProgress>, u64) {
        let progress = Arc::new(OpeningProgress::default());
        let options = EmbeddedOptions {
            progress: Some(Arc::clone(&progress)),
            ..EmbeddedOptions::default()
        };
        let storage = FileStorage::open(place).unwrap();
        let clock = Arc::new(RealClock::default());
        let (engine, recovery) = EmbeddedEngine::open(storage, options, clock).unwrap();
        let journal = recovery.journal;
        (engine, progress, journal.segments * journal.segment_bytes)
    }

    #[tokio::test]
    async fn an_opening_reads_the_segments_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, progress, _) = open(folder.path());
        // There was nothing to read: the first segment was made just now.
        assert_eq!(
            (progress.bytes_total(), progress.bytes_read()),
            (Some(0), 0)
        );
        let command = Command::OpenAccount(OpenAccount {
            id: AccountId::new("a").unwrap(),
            currency: Currency::new("BRL").unwrap(),
            credit_limit: 1,
        });
        let deadline = Instant::now() + Duration::from_secs(10);
        engine
            .submit(vec![Batch::one(command)], deadline)
            .await
            .unwrap();
        drop(engine);
        let (_engine, progress, bytes) = open(folder.path());
        assert_eq!(progress.bytes_total(), Some(bytes));
        assert_eq!(progress.bytes_read(), bytes);
    }

    #[test]
    fn what_was_read_counts_from_where_the_reading_begins() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FileStorage::open(folder.path()).unwrap();
        for (name, bytes) in [
            ("0000000007.segment", 1_000),
            ("0000000008.segment", 1_000),
            ("0000000006.segment.cut", 10),
            ("lock", 3),
        ] {
            let file = storage.create(name).unwrap();
            file.write_at(&vec![0; bytes], 0).unwrap();
        }
        assert_eq!(
            segments_span(&storage, 7, 3).unwrap(),
            Span {
                from: 7_000,
                to: 9_000,
                segment_bytes: 1_000,
                besides: 3_000,
            }
        );
        let progress = OpeningProgress::default();
        assert_eq!(progress.bytes_total(), None);
        progress.begin(&storage, 7, 3);
        assert_eq!(
            (progress.bytes_total(), progress.bytes_read()),
            (Some(5_000), 0)
        );
        progress.segment_read();
        assert_eq!(progress.bytes_read(), 1_000);
        progress.finish();
        assert_eq!(progress.bytes_read(), 5_000);
    }
}
