//! Making a journal of a backup: whole, or as it was after a frame or at a time.

use super::copy::{CopyFailed, copy, fill_with_zeros};
use super::take::check_file;
use super::{BackedUp, BackupError, Progress, create_anew, partial};
use crate::error::OpenError;
use crate::format::FrameInfo;
use crate::head::Head;
use crate::storage::{Storage, StorageFile, segment_name};
use crate::walk::{Ending, Segment, Visited, Walked};

/// Up to where a backup is restored. The journal always ends with a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// All that the backup holds.
    End,
    /// The frame of this sequence is the last one.
    Frame(u64),
    /// The last frame whose time is at most this one, in nanoseconds.
    Time(u64),
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The end of the chain.
    pub head: Head,
    /// The time of the last frame, in nanoseconds; `None` if there is none.
    pub last_frame_ns: Option<u64>,
    /// Number of segment files.
    pub segments: u64,
}

/// Makes a journal in `target`, which has none, of the backup in `source`. Every frame up to the end is
/// checked as it was written to `target`; what comes after it becomes zeros.
///
/// The first segment gets its name last, so that no journal can be opened in `target` before it is whole.
///
/// # Errors
///
/// See [`BackupError`]; then `target` has unfinished files, and no journal can be opened there.
pub fn restore<S: Storage, T: Storage>(
    source: &S,
    backed_up: &BackedUp,
    target: &T,
    until: Until,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restored, BackupError> {
    let last = backed_up.head.sequence;
    if let Until::Frame(sequence) = until
        && sequence > last
    {
        return Err(BackupError::Beyond { sequence, last });
    }
    let count = backed_up.last_segment - backed_up.first_segment + 1;
    let mut restoring = Restoring {
        source,
        target,
        backed_up,
        until,
        progress: Progress {
            segments: 0,
            segments_all: count,
            bytes: 0,
        },
        report: progress,
        is_passed: false,
    };
    restoring.run(Walked::before(None, backed_up.first_segment, count))
}

/// The visitor's word that the end was passed.
struct Passed;

struct Restoring<'a, S, T> {
    source: &'a S,
    target: &'a T,
    backed_up: &'a BackedUp,
    until: Until,
    progress: Progress,
    report: &'a mut dyn FnMut(Progress),
    /// Whether a frame was met that is not restored.
    is_passed: bool,
}

impl<S: Storage, T: Storage> Restoring<'_, S, T> {
    fn run(&mut self, mut walked: Walked) -> Result<Restored, BackupError> {
        let numbers = self.backed_up.first_segment..=self.backed_up.last_segment;
        let mut last = self.backed_up.first_segment;
        for number in numbers {
            last = number;
            let is_end = self.segment(number, &mut walked)?;
            self.progress.segments += 1;
            (self.report)(self.progress);
            if is_end {
                break;
            }
        }
        self.check_end(&walked)?;
        self.name_all(last)?;
        Ok(Restored {
            head: walked.head,
            last_frame_ns: walked.last_frame.map(|frame| frame.time_ns),
            segments: last - self.backed_up.first_segment + 1,
        })
    }

    /// Whether the chain ends where it should.
    fn check_end(&self, walked: &Walked) -> Result<(), BackupError> {
        let (reached, expected) = (walked.head.sequence, self.backed_up.head.sequence);
        let is_short = match self.until {
            Until::End => reached < expected,
            Until::Frame(sequence) => reached < sequence,
            // Only a frame that is too late shows that none is missing before it.
            Until::Time(_) => reached < expected && !self.is_passed,
        };
        if is_short {
            return Err(BackupError::Short {
                place: self.source.place(),
                found: reached,
                expected,
            });
        }
        if reached == expected && walked.head != self.backed_up.head {
            return Err(BackupError::NotItsHead {
                place: self.source.place(),
                sequence: expected,
            });
        }
        if reached == 0 && self.until != Until::End {
            return Err(BackupError::NothingBefore);
        }
        Ok(())
    }

    /// Copies a segment, checks the copy, and cuts it where the end is. Returns whether the end is in it.
    fn segment(&mut self, number: u64, walked: &mut Walked) -> Result<bool, BackupError> {
        let name = segment_name(number);
        let written_as = partial(&name);
        let is_last = number == self.backed_up.last_segment;
        let (source, target) = (self.source, self.target);
        let before = walked.clone();
        let open = |error| BackupError::source(source)(OpenError::io("open", &name)(error));
        let from = source.open_read_only(&name).map_err(open)?;
        let size = from.size().map_err(open)?;
        let file = create_anew(target, &written_as)?;
        let copied = copy(&from, &file, size, size, |length| {
            self.progress.bytes += length;
            (self.report)(self.progress);
        });
        match copied {
            Ok(()) => {}
            Err(CopyFailed::Write(error)) => {
                return Err(BackupError::target(target, "write", &written_as)(error));
            }
            Err(CopyFailed::Read(error)) => {
                let error = OpenError::io("read", &name)(error);
                return Err(BackupError::source(source)(error));
            }
        }
        let is_passed = match self.walk(&file, number, walked) {
            Ok(is_passed) => is_passed,
            Err(_) => {
                check_file(source, number, is_last, &before)?;
                return Err(BackupError::CopyDiffers {
                    place: target.place(),
                    file: name,
                });
            }
        };
        self.is_passed |= is_passed;
        if let Ending::NoHeader(_) = walked.ending {
            let what = "the segment's header does not check";
            let error = OpenError::damaged(&name, 0, what);
            return Err(BackupError::source(source)(error));
        }
        let is_end = is_passed || is_last || self.is_frame_reached(walked);
        if is_end {
            // A journal writes into space that its segment has already.
            fill_with_zeros(&file, walked.offset, walked.segment_bytes)
                .map_err(BackupError::target(target, "write", &written_as))?;
        }
        file.sync()
            .map_err(BackupError::target(target, "sync", &written_as))?;
        Ok(is_end)
    }

    /// Whether the frame that was asked for is the last one walked.
    fn is_frame_reached(&self, walked: &Walked) -> bool {
        self.until == Until::Frame(walked.head.sequence)
    }

    /// Walks a copy up to its end, or to a frame behind the end of what is restored. Returns whether
    /// there is such a frame: then `walked` is at the end of the frame before it.
    fn walk(
        &self,
        file: &T::File,
        number: u64,
        walked: &mut Walked,
    ) -> Result<bool, OpenError<std::convert::Infallible>> {
        let name = segment_name(number);
        let mut segment = Segment {
            name: &name,
            number,
            last: number == self.backed_up.last_segment,
            live: false,
            file,
        };
        let mut visit = |visited: Visited<'_>| {
            if self.is_past_end(visited.frame) {
                return Err(Passed);
            }
            Ok(())
        };
        match segment.walk(walked, &mut visit) {
            Ok(()) => Ok(false),
            Err(error) => error.unless_ended().map(|()| true),
        }
    }

    fn is_past_end(&self, frame: &FrameInfo) -> bool {
        let is_past_backup = frame.sequence > self.backed_up.head.sequence;
        is_past_backup
            || match self.until {
                Until::End => false,
                Until::Frame(sequence) => frame.sequence > sequence,
                Until::Time(until_ns) => frame.time_ns > until_ns,
            }
    }

    /// Gives all segments their names, the first one last.
    fn name_all(&self, last: u64) -> Result<(), BackupError> {
        let first = self.backed_up.first_segment;
        let place = self.target.place();
        let sync = || {
            self.target
                .sync_directory()
                .map_err(BackupError::target(self.target, "sync", &place))
        };
        let rename = |number| {
            let name = segment_name(number);
            let written_as = partial(&name);
            self.target
                .rename(&written_as, &name)
                .map_err(BackupError::target(self.target, "rename", &written_as))
        };
        for number in (first + 1..=last).rev() {
            rename(number)?;
        }
        sync()?;
        rename(first)?;
        sync()
    }
}
