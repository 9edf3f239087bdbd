//! Frames on their way to the disk: the open one, which takes records, and the one in flight.
//!
//! | | open | in flight |
//! |---|---|---|
//! | records | are added | are being written and synced |
//! | changes | are decided upon | are decided upon, and published when it is durable |
//! | answers | wait | wait, and are sent right after the publication |
//!
//! At most one frame is in flight. The open frame is sealed only when no other is, so frames become
//! durable, are published and are answered in the order in which they were decided.

use journal::{CommitError, FrameInfo, Journal, SealedFrame, Storage, Written};
use ledger::{Timestamp, Unavailable};
use tokio::sync::oneshot;

use crate::changes::Changes;
use crate::draft::Draft;
use crate::queue::Answer;
use crate::syncer::Syncer;
use crate::traced::{FrameNote, Notes};

/// A frame is closed once it has this many bytes: what waits is answered in a few milliseconds
/// even when much more has arrived.
pub(super) const ROUND_BYTES: usize = 1 << 20;
/// A frame that could go to the disk goes once it has this part of a round, although more waits:
/// its sync takes about as long as the next so many bytes take to be decided.
const ROUND_PARTS: usize = 16;

/// Who is answered, what, and what was noted of it if it is traced.
type Answers = Vec<(oneshot::Sender<Answer>, Answer, Option<Box<Notes>>)>;

/// See the [module](self).
pub(super) struct Pipeline<S: Storage> {
    pub(super) journal: Journal<S>,
    pub(super) draft: Draft,
    pub(super) syncer: Syncer<S>,
    open_answers: Answers,
    flying_answers: Answers,
    /// Minimum size of a frame that is sent while more requests are queued.
    pub(super) part_bytes: usize,
}

impl<S: Storage> Pipeline<S> {
    pub(super) fn new(
        journal: Journal<S>,
        draft: Draft,
        syncer: Syncer<S>,
        frame_bytes_max: usize,
    ) -> Self {
        Self {
            journal,
            draft,
            syncer,
            open_answers: Vec::new(),
            flying_answers: Vec::new(),
            part_bytes: frame_bytes_max.min(ROUND_BYTES) / ROUND_PARTS,
        }
    }

    /// Whether the open frame takes no more: it is a round's size, or a part of it that could go
    /// while more waits to be decided.
    pub(super) fn is_full(&self, has_more: impl FnOnce() -> bool) -> bool {
        let bytes = self.journal.open_frame_bytes();
        bytes >= ROUND_BYTES || (bytes >= self.part_bytes && !self.is_in_flight() && has_more())
    }

    /// Whether a frame is being written.
    pub(super) fn is_in_flight(&self) -> bool {
        self.journal.is_in_flight()
    }

    /// Keeps an answer until the open frame is durable.
    pub(super) fn answer_later(
        &mut self,
        caller: oneshot::Sender<Answer>,
        answer: Answer,
        notes: Option<Box<Notes>>,
    ) {
        self.open_answers.push((caller, answer, notes));
    }

    /// Answers everybody who waits for the open frame, which has no record or is never written.
    pub(super) fn answer_without_frame(&mut self) {
        let is_committed = self.journal.failure().is_none();
        send(&mut self.open_answers, is_committed, None);
    }

    /// Seals the open frame, which has records, while no other is in flight. `newest` is the time
    /// of its last record.
    pub(super) fn seal(&mut self, newest: Timestamp) -> SealedFrame<S> {
        let sealed = match self.journal.seal(newest.as_nanos()) {
            Ok(sealed) => sealed,
            Err(CommitError::Failed(failure)) => {
                unreachable!("a journal that has not failed seals a frame: {failure}")
            }
        };
        self.draft.seal();
        std::mem::swap(&mut self.open_answers, &mut self.flying_answers);
        sealed
    }

    /// Takes in what became of the frame in flight: hands that and its changes, which are to be
    /// published if it is durable, to `landed`; only then answers everybody who waits for it.
    pub(super) fn land(
        &mut self,
        written: Written,
        landed: impl FnOnce(&Result<FrameInfo, CommitError>, &mut Changes),
    ) {
        let (started, elapsed) = (written.started(), written.elapsed());
        let completed = self.journal.complete(written);
        landed(&completed, &mut self.draft.sealed);
        let frame = completed.as_ref().ok().map(|info| FrameNote {
            sequence: info.sequence,
            records_count: info.count,
            bytes: info.frame_bytes(),
            requests_count: self.flying_answers.len(),
            write_started: started,
            write_elapsed: elapsed,
        });
        send(&mut self.flying_answers, completed.is_ok(), frame);
    }
}

fn send(answers: &mut Answers, is_committed: bool, frame: Option<FrameNote>) {
    for (caller, mut answer, notes) in answers.drain(..) {
        if let Some(notes) = notes {
            notes.answered(frame);
        }
        if !is_committed {
            answer = Err(Unavailable::StorageFailed);
        }
        // A caller that has gone asks again with the same id.
        let _ = caller.send(answer);
    }
}
