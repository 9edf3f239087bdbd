//! Taking a backup of a journal that may be written meanwhile.

use std::convert::Infallible;

use super::copy::{CopyFailed, copy};
use super::{BackedUp, BackupError, PARTIAL, Progress, create_anew, partial, put_in_place};
use crate::error::OpenError;
use crate::format::SEGMENT_HEADER_BYTES;
use crate::head::Head;
use crate::segment_start::{SegmentStart, read_segment_start};
use crate::storage::{Storage, StorageFile, segment_name, segment_number};
use crate::walk::{Ending, Segment, Visited, Walked, find_segments};

/// What one call of [`back_up`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What the backup holds now.
    pub backed_up: BackedUp,
    /// Segments that were copied: new ones, and the one that was the last before.
    pub segments_copied: u64,
    /// Bytes that were read to be copied.
    pub bytes_copied: u64,
}

/// Brings the backup in `target` to the last whole frame that the journal in `source` has. `known` is
/// what the call before returned. Takes no lock; a writer may be appending to `source`, and two calls
/// for one `target` must not run together. With `retires`, the oldest segments may have been retired
/// ([`JournalOptions::retires`](crate::JournalOptions::retires)); where the writer retires one meanwhile, the call
/// may fail to open it: then call again.
///
/// All that was copied was checked against the chain, and so was that it continues `known`.
///
/// # Errors
///
/// See [`BackupError`]; what `known` says is still in `target`.
pub fn back_up<S: Storage, T: Storage>(
    source: &S,
    target: &T,
    retires: bool,
    known: Option<&BackedUp>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Taken, BackupError> {
    let (first, count) =
        find_segments::<S, Infallible>(source, retires).map_err(BackupError::source(source))?;
    let none = || BackupError::NoJournal {
        place: source.place(),
    };
    let last = first + count.checked_sub(1).ok_or_else(none)?;
    let Some(oldest) = start_of(source, first)? else {
        // Never finished, of another version, or damaged.
        check_file(
            source,
            first,
            first == last,
            &Walked::before(None, first, count),
        )?;
        return Err(none());
    };
    if let Some(known) = known.filter(|known| known.id != oldest.id) {
        return Err(other_journal(target, known.id, &oldest));
    }
    // What was retired since cannot be gone on from.
    let continued = known.filter(|known| known.last_segment >= first);
    let mut taking = Taking {
        source,
        target,
        first,
        last,
        known: continued,
        is_met: false,
        progress: Progress {
            segments: 0,
            segments_all: count,
            bytes: 0,
        },
        report: progress,
        segments_copied: 0,
        oldest,
    };
    let mut backed_up = taking.run()?;
    if backed_up.last_frame_ns.is_none() {
        backed_up.last_frame_ns = continued.and_then(|known| known.last_frame_ns);
    }
    Ok(Taken {
        backed_up,
        segments_copied: taking.segments_copied,
        bytes_copied: taking.progress.bytes,
    })
}

/// Removes what a backup does not need: segments outside of it, and files that were never finished.
/// To be called once `backed_up` is kept for good.
///
/// # Errors
///
/// When the storage cannot list or remove.
pub fn remove_obsolete<T: Storage>(target: &T, backed_up: &BackedUp) -> Result<(), BackupError> {
    let kept = backed_up.first_segment..=backed_up.last_segment;
    let place = target.place();
    let names = target
        .list()
        .map_err(BackupError::target(target, "list", &place))?;
    let unfinished = |name: &str| {
        let name = name.strip_suffix(PARTIAL)?;
        segment_number(name)
    };
    let is_obsolete = |name: &String| {
        unfinished(name).is_some()
            || segment_number(name).is_some_and(|number| !kept.contains(&number))
    };
    for name in names.iter().filter(|name| is_obsolete(name)) {
        target
            .remove(name)
            .map_err(BackupError::target(target, "remove", name))?;
    }
    Ok(())
}

struct Taking<'a, S, T> {
    source: &'a S,
    target: &'a T,
    first: u64,
    last: u64,
    known: Option<&'a BackedUp>,
    /// Whether the chain was seen to go through the backup's head.
    is_met: bool,
    progress: Progress,
    report: &'a mut dyn FnMut(Progress),
    segments_copied: u64,
    oldest: SegmentStart,
}

impl<S: Storage, T: Storage> Taking<'_, S, T> {
    fn run(&mut self) -> Result<BackedUp, BackupError> {
        let begin = self.begin()?;
        let from = start_of(self.source, begin)?;
        let count = self.last - self.first + 1;
        let from = from.filter(|from| from.number > 0 && self.known.is_some());
        let mut walked = Walked::before(from.as_ref(), self.first, count);
        if let Some(known) = self.known {
            self.is_met = known.head == walked.head;
        }
        let mut last_copied = begin;
        for number in begin..=self.last {
            let is_last = number == self.last;
            let is_there = if is_last {
                self.copy_last(number, &mut walked)?
            } else {
                self.sealed(number, &mut walked)?;
                true
            };
            if is_there {
                last_copied = number;
            }
            self.count_segment();
        }
        if let Some(known) = self.known.filter(|_| !self.is_met) {
            return Err(self.forked(known));
        }
        Ok(BackedUp {
            id: self.oldest.id,
            segment_bytes: self.oldest.segment_bytes,
            first_segment: self.first,
            last_segment: last_copied,
            head: walked.head,
            last_frame_ns: walked.last_frame.map(|frame| frame.time_ns),
        })
    }

    /// Makes sure of the segments that the backup has; returns the first one to copy.
    fn begin(&mut self) -> Result<u64, BackupError> {
        let Some(known) = self.known else {
            self.refuse_others()?;
            return Ok(self.first);
        };
        if known.last_segment > self.last {
            return Err(self.forked(known));
        }
        for number in self.first..=known.last_segment {
            let ours = start_of(self.source, number)?;
            let is_last = number == known.last_segment;
            match (start_in(self.target, number)?, ours) {
                (Some(theirs), Some(ours)) if theirs == ours => {}
                (Some(_), Some(_)) => return Err(self.forked(known)),
                (_, None) => {
                    // A restored ledger may be just behind a roll: it has less than the backup.
                    let oldest = Some(&self.oldest);
                    let before = Walked::before(oldest, self.first, self.last - self.first + 1);
                    check_file(self.source, number, number == self.last, &before)?;
                    return Err(self.forked(known));
                }
                (None, Some(ours)) if !is_last => self.replace_missing(number, &ours)?,
                (None, Some(_)) => {}
            }
            if !is_last {
                self.count_segment();
            }
        }
        Ok(known.last_segment)
    }

    /// Segments that a call left that did not finish must be this journal's.
    fn refuse_others(&self) -> Result<(), BackupError> {
        for number in self.first..=self.last {
            let theirs = start_in(self.target, number)?;
            if let Some(theirs) = theirs.filter(|theirs| theirs.id != self.oldest.id) {
                return Err(other_journal(self.target, theirs.id, &self.oldest));
            }
        }
        Ok(())
    }

    /// Copies a sealed segment that the backup has lost.
    fn replace_missing(&mut self, number: u64, start: &SegmentStart) -> Result<(), BackupError> {
        let mut walked = Walked::before(Some(start), self.first, self.last - self.first + 1);
        self.copy_sealed(number, &mut walked)
    }

    /// Brings a sealed segment behind the backup's into it; `walked` goes on to its end.
    fn sealed(&mut self, number: u64, walked: &mut Walked) -> Result<(), BackupError> {
        if self.is_copied(number, walked)? {
            return Ok(());
        }
        self.copy_sealed(number, walked)
    }

    /// Whether a call that did not finish has copied it already: then `walked` has gone to its end.
    fn is_copied(&mut self, number: u64, walked: &mut Walked) -> Result<bool, BackupError> {
        if start_in(self.target, number)?.is_none() {
            return Ok(false);
        }
        let Some(next) = start_of(self.source, number + 1)? else {
            return Ok(false);
        };
        let name = segment_name(number);
        let Ok(file) = self.target.open_read_only(&name) else {
            return Ok(false);
        };
        let (mut reached, is_met) = (walked.clone(), self.is_met);
        let is_whole = self.walk(&file, number, false, &mut reached).is_ok();
        if is_whole && reached.head == next.head {
            *walked = reached;
            return Ok(true);
        }
        self.is_met = is_met;
        Ok(false)
    }

    fn copy_sealed(&mut self, number: u64, walked: &mut Walked) -> Result<(), BackupError> {
        let size = self.oldest.segment_bytes;
        let before = walked.clone();
        self.copied(number, size, &before, |taking, copy| {
            taking.walk(copy, number, false, walked)
        })
    }

    /// Copies the whole frames of the last segment. `false` where it has no header yet: then
    /// there is nothing to copy.
    fn copy_last(&mut self, number: u64, walked: &mut Walked) -> Result<bool, BackupError> {
        let name = segment_name(number);
        let failed = |doing| {
            let place = self.source.place();
            let name = name.clone();
            move |error| BackupError::Source {
                place,
                source: OpenError::io(doing, &name)(error),
            }
        };
        let file = self.source.open_read_only(&name).map_err(failed("open"))?;
        let mut reached = walked.clone();
        let mut live = Segment {
            name: &name,
            number,
            last: true,
            live: true,
            file: &file,
        };
        let nothing = &mut |_: Visited<'_>| Ok::<(), Infallible>(());
        live.walk(&mut reached, nothing)
            .map_err(BackupError::source(self.source))?;
        if let Ending::NoHeader(_) = reached.ending {
            return Ok(false);
        }
        // A frame that is not synced yet could be lost to a power cut, and another written instead:
        // the backup would have a frame that the ledger never has.
        file.sync().map_err(failed("sync"))?;
        let before = walked.clone();
        let end = reached.offset;
        self.copied(number, end, &before, |taking, copy| {
            taking.walk(copy, number, true, walked)
        })?;
        if walked.head != reached.head || walked.ending != Ending::Clean {
            return Err(self.differs(&name));
        }
        Ok(true)
    }

    /// Copies the first `bytes` of a segment, and puts the copy in its place if it checks.
    fn copied(
        &mut self,
        number: u64,
        bytes: u64,
        before: &Walked,
        check: impl FnOnce(&mut Self, &T::File) -> Result<(), OpenError<Infallible>>,
    ) -> Result<(), BackupError> {
        let name = segment_name(number);
        let written_as = partial(&name);
        let (source, target) = (self.source, self.target);
        let is_last = number == self.last;
        let file = source.open_read_only(&name);
        let file = file.map_err(|error| OpenError::io("open", &name)(error));
        let file = file.map_err(BackupError::source(source))?;
        let copy_file = create_anew(target, &written_as)?;
        let size = self.oldest.segment_bytes;
        let copied = copy(&file, &copy_file, bytes, size, |length| {
            self.progress.bytes += length;
            (self.report)(self.progress);
        });
        match copied {
            Ok(()) => {}
            Err(CopyFailed::Write(error)) => {
                let failed = BackupError::target(target, "write", &written_as)(error);
                // It only takes room.
                let _ = target.remove(&written_as);
                return Err(failed);
            }
            Err(CopyFailed::Read(error)) => {
                check_file(source, number, is_last, before)?;
                let error = OpenError::io("read", &name)(error);
                return Err(BackupError::source(source)(error));
            }
        }
        copy_file
            .sync()
            .map_err(BackupError::target(target, "sync", &written_as))?;
        if check(self, &copy_file).is_err() {
            let _ = target.remove(&written_as);
            check_file(source, number, is_last, before)?;
            return Err(self.differs(&name));
        }
        // The head lies in the backup's last segment, or right before it.
        let is_forked = |known: &&BackedUp| !self.is_met && number >= known.last_segment;
        if let Some(known) = self.known.filter(is_forked) {
            let _ = target.remove(&written_as);
            return Err(self.forked(known));
        }
        put_in_place(target, &written_as, &name)?;
        self.segments_copied += 1;
        Ok(())
    }

    /// Walks a copy, and notes whether its frames go through the backup's head.
    fn walk(
        &mut self,
        file: &T::File,
        number: u64,
        last: bool,
        walked: &mut Walked,
    ) -> Result<(), OpenError<Infallible>> {
        let name = segment_name(number);
        let mut segment = Segment {
            name: &name,
            number,
            last,
            live: false,
            file,
        };
        let known = self.known.map(|known| known.head);
        let is_met = &mut self.is_met;
        segment.walk(walked, &mut |visited: Visited<'_>| {
            *is_met |= visited.last_in_frame && known == Some(head_at(&visited));
            Ok(())
        })
    }

    fn count_segment(&mut self) {
        self.progress.segments += 1;
        (self.report)(self.progress);
    }

    fn differs(&self, name: &str) -> BackupError {
        BackupError::CopyDiffers {
            place: self.target.place(),
            file: name.to_owned(),
        }
    }

    fn forked(&self, known: &BackedUp) -> BackupError {
        BackupError::Forked {
            place: self.target.place(),
            sequence: known.head.sequence,
        }
    }
}

/// The head of a chain that ends with this frame.
pub(super) fn head_at(visited: &Visited<'_>) -> Head {
    let frame = visited.frame;
    Head {
        sequence: frame.sequence,
        hash: frame.hash,
        records: frame.records_before + u64::from(frame.count),
    }
}

fn other_journal<T: Storage>(
    target: &T,
    theirs: crate::JournalId,
    oldest: &SegmentStart,
) -> BackupError {
    BackupError::OtherJournal {
        place: target.place(),
        theirs,
        ours: oldest.id,
    }
}

/// Finds what is wrong with a file of a journal, if something is.
pub(super) fn check_file<S: Storage>(
    storage: &S,
    number: u64,
    last: bool,
    before: &Walked,
) -> Result<(), BackupError> {
    let name = segment_name(number);
    let file = storage.open_read_only(&name);
    let file =
        file.map_err(|error| BackupError::source(storage)(OpenError::io("open", &name)(error)))?;
    let mut segment = Segment {
        name: &name,
        number,
        last,
        live: last,
        file: &file,
    };
    let nothing = &mut |_: Visited<'_>| Ok::<(), Infallible>(());
    segment
        .walk(&mut before.clone(), nothing)
        .map_err(BackupError::source(storage))
}

fn start_of<S: Storage>(source: &S, number: u64) -> Result<Option<SegmentStart>, BackupError> {
    let name = segment_name(number);
    read_segment_start(source, number)
        .map_err(|error| BackupError::source(source)(OpenError::io("read", &name)(error)))
}

/// The start of a segment in the target, if a file of the right size with a whole header is there.
fn start_in<T: Storage>(target: &T, number: u64) -> Result<Option<SegmentStart>, BackupError> {
    let name = segment_name(number);
    let failed = || BackupError::target(target, "read", &name);
    let Some(start) = read_segment_start(target, number).map_err(failed())? else {
        return Ok(None);
    };
    let file = target.open_read_only(&name).map_err(failed())?;
    let size = file.size().map_err(failed())?;
    let is_sized = size == start.segment_bytes && size > SEGMENT_HEADER_BYTES as u64;
    Ok(is_sized.then_some(start))
}
