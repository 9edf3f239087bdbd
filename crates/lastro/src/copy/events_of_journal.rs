//! The events of a journal, read by a thread a little ahead of those who take them.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use engine_embedded::{EventsError, LockedJournal};
use journal::{FileStorage, OpenError};
use ledger::Event;
use tokio::sync::mpsc::{Receiver, channel};

/// How many frames are read ahead.
const FRAMES_AHEAD: usize = 4;

type Scanned = Result<Option<journal::JournalId>, OpenError<EventsError>>;

/// Reads them, a frame at a time.
pub(super) struct EventsOfJournal {
    frames: Receiver<Vec<Event>>,
    /// Joined when the last frame was taken.
    reader: Option<JoinHandle<Scanned>>,
}

impl EventsOfJournal {
    /// Of a journal that is locked by this.
    pub(super) fn of_locked(journal: &Arc<LockedJournal<FileStorage>>) -> anyhow::Result<Self> {
        let journal = Arc::clone(journal);
        Self::begin(move |take| journal.events(take))
    }

    fn begin(
        read: impl FnOnce(&mut dyn FnMut(Vec<Event>) -> bool) -> Scanned + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (sender, frames) = channel(FRAMES_AHEAD);
        let reader = std::thread::Builder::new()
            .name("lastro-read".to_owned())
            .spawn(move || read(&mut |frame| sender.blocking_send(frame).is_ok()))
            .context("cannot start a thread")?;
        Ok(Self {
            frames,
            reader: Some(reader),
        })
    }

    /// The next frame's events; `None` behind the last one.
    pub(super) async fn next_frame(&mut self) -> anyhow::Result<Option<Vec<Event>>> {
        if let Some(frame) = self.frames.recv().await {
            return Ok(Some(frame));
        }
        if let Some(reader) = self.reader.take() {
            let scanned = reader.join();
            let scanned = scanned.map_err(|_| anyhow!("the reader of the journal panicked"))?;
            scanned.context("cannot read the journal")?;
        }
        Ok(None)
    }
}
