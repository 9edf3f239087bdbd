//! From a gathered frame to its answers.
//!
//! A frame that nothing waits behind is written by the writer itself: nobody else need be woken.
//! Where more waits, the syncer writes it, and the writer decides meanwhile what goes into the
//! next one. That one is written after it, and so answered after it: what it was decided upon is
//! durable first.

use journal::{BeginError, CommitError, Failure, Storage, Written};
use ledger::Unavailable;

use super::{Answers, Writer};
use crate::shared::Status;

impl<S: Storage> Writer<S> {
    /// Makes sure that the open frame can take so much more. Nothing is decided before.
    pub(super) fn make_room(&mut self, bytes: usize, records: usize) -> Result<(), Unavailable> {
        if self.journal.failure().is_none() && self.journal.open_frame_records() > 0 {
            if self.journal.fits(bytes, records) {
                return Ok(());
            }
            self.flush(true);
        }
        if self.journal.would_roll(bytes, records) {
            self.land();
        }
        if self.journal.failure().is_some() {
            // The frame that failed is never committed, nor is any other.
            return Err(Unavailable::StorageFailed);
        }
        match self.journal.begin(bytes, records) {
            Ok(()) => {
                self.shared.set_status(Status::Ready);
                Ok(())
            }
            Err(BeginError::Full) => {
                self.shared.set_status(Status::StorageFull);
                Err(Unavailable::StorageFull)
            }
            Err(BeginError::Failed(failure)) => {
                self.fail(&failure);
                Err(Unavailable::StorageFailed)
            }
            Err(error @ BeginError::Short { .. }) => {
                self.shared.set_status(Status::Overloaded);
                if let Some(held_back) = self.shared.warnings.no_room.pass() {
                    tracing::warn!(%error, held_back, "writes are refused: {error}");
                }
                Err(Unavailable::Overloaded)
            }
            Err(error @ (BeginError::Late | BeginError::TooLarge { .. })) => {
                if let Some(held_back) = self.shared.warnings.no_room.pass() {
                    tracing::warn!(%error, held_back, "no room for a frame");
                }
                Err(Unavailable::Overloaded)
            }
        }
    }

    /// Sends the open frame to the disk once the one before it is there, and with it the answers
    /// that wait for it. `has_more` says that there is something to decide meanwhile; otherwise
    /// everybody has been answered when it returns.
    pub(super) fn flush(&mut self, has_more: bool) {
        self.land();
        self.metrics
            .expiries(&self.draft.expiries, || self.clock.now());
        let is_empty = self.journal.open_frame_records() == 0;
        if is_empty || self.journal.failure().is_some() {
            let committed = self.journal.failure().is_none();
            answer(&mut self.answers, committed);
            return;
        }
        let sealed = match self.journal.seal(self.ticker.last().as_nanos()) {
            Ok(sealed) => sealed,
            Err(CommitError::Failed(failure)) => {
                unreachable!("a journal that has not failed seals a frame: {failure}")
            }
        };
        self.draft.seal();
        std::mem::swap(&mut self.answers, &mut self.in_flight);
        if has_more {
            self.syncer.start(sealed);
        } else {
            self.landed(sealed.write());
        }
    }

    /// Waits for the frame in flight, if one is.
    pub(super) fn land(&mut self) {
        if self.journal.is_in_flight() {
            let written = self.syncer.wait();
            self.landed(written);
        }
    }

    /// Takes in that the frame in flight is durable, if it is by now.
    pub(super) fn land_if_written(&mut self) {
        if self.journal.is_in_flight()
            && let Some(written) = self.syncer.poll()
        {
            self.landed(written);
        }
    }

    /// Publishes what is durable now, and answers everybody who waits for it.
    pub(super) fn landed(&mut self, written: Written) {
        let elapsed = written.elapsed();
        let completed = self.journal.complete(written);
        match &completed {
            Ok(info) => {
                self.metrics.frame(info, elapsed);
                let mut books = self.shared.books.write();
                books.publish(&mut self.draft.sealed);
            }
            Err(CommitError::Failed(failure)) => self.fail(failure),
        }
        answer(&mut self.in_flight, completed.is_ok());
    }

    fn fail(&self, failure: &Failure) {
        if self.shared.set_status(Status::StorageFailed) {
            tracing::error!(%failure, "nothing more is written; restart once the storage is well");
        }
    }
}

fn answer(answers: &mut Answers, committed: bool) {
    for (sender, mut answer) in answers.drain(..) {
        if !committed {
            answer = Err(Unavailable::StorageFailed);
        }
        // A caller that has gone asks again with the same id.
        let _ = sender.send(answer);
    }
}
