//! Opening: lock, walk, repair the end, make ready to append.

use std::fmt;
use std::sync::Arc;

use crate::backup::PARTIAL;
use crate::cut;
use crate::error::OpenError;
use crate::format::{FrameInfo, JournalId, SEGMENT_HEADER_BYTES, Seal, SegmentHeader};
use crate::head::Head;
use crate::journal::Journal;
use crate::open_frame::OpenFrame;
use crate::options::JournalOptions;
use crate::segment_start::{SegmentStart, read_segment_start};
use crate::segments::Segments;
use crate::spare::{NoSpare, Spares};
use crate::storage::{
    LockAttempt, SPARE, Storage, StorageFile, read_full, segment_name, segment_number,
};
use crate::walk::{Ending, Visited, Walk, Walked, walk};

/// What was found when a journal was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whether the journal was made just now.
    pub created: bool,
    /// Its identity.
    pub id: JournalId,
    /// The end of the chain.
    pub head: Head,
    /// The last whole frame; `None` if there is none.
    pub last_frame: Option<FrameInfo>,
    /// Number of segment files.
    pub segments: u64,
    /// Size of a segment in bytes.
    pub segment_bytes: u64,
    /// The torn end that was cut, if there was one.
    pub cut: Option<Cut>,
}

/// A torn end: written when the machine stopped, never answered for (or damaged since, which
/// cannot be told apart in the very last frame).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment file.
    pub file: String,
    /// Where the cut begins, in bytes.
    pub offset: u64,
    /// Length of what was cut, up to its last byte that was not zero.
    pub bytes: u64,
    /// The file that keeps those bytes.
    pub saved_as: String,
}

impl<S: Storage> Journal<S> {
    /// Opens the journal, or makes a new one where there is none.
    ///
    /// Takes the lock, checks the chain from the first segment to the last, calls `visit` for
    /// every record of every whole frame in order, and cuts a torn end, whose bytes are kept as
    /// `<segment>.cut`. Before it returns, all that was visited is on the disk, whatever the
    /// durability: the last frame is written once more and synced, since a sync that failed before
    /// may have left it in the page cache only.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. Valid data is never cut: any damage but a torn end stops the opening.
    pub fn open<E>(
        storage: S,
        options: JournalOptions,
        visit: impl FnMut(Visited<'_>) -> Result<(), E>,
    ) -> Result<(Self, Opened), OpenError<E>> {
        Locked::lock(storage, options)?.open(None, visit)
    }
}

/// A place whose lock is held and whose journal is not open yet. Dropping it frees the lock.
pub struct Locked<S: Storage> {
    storage: Arc<S>,
    options: JournalOptions,
    lock: S::Lock,
}

impl<S: Storage> fmt::Debug for Locked<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Locked")
            .field("place", &self.storage.place())
            .finish_non_exhaustive()
    }
}

impl<S: Storage> Locked<S> {
    /// Takes the lock. Nothing is read yet.
    ///
    /// # Errors
    ///
    /// [`OpenError::Options`], [`OpenError::Locked`], or [`OpenError::Io`] for the lock itself.
    pub fn lock<E>(storage: S, options: JournalOptions) -> Result<Self, OpenError<E>> {
        options
            .check(options.segment_bytes)
            .map_err(OpenError::Options)?;
        let place = storage.place();
        match storage.try_lock().map_err(OpenError::io("lock", &place))? {
            LockAttempt::Held(lock) => Ok(Self {
                storage: Arc::new(storage),
                options,
                lock,
            }),
            LockAttempt::Taken { pid } => Err(OpenError::Locked { place, pid }),
        }
    }

    /// The place, for other files that are kept beside the journal's.
    #[must_use]
    pub fn storage(&self) -> &Arc<S> {
        &self.storage
    }

    /// Opens the journal as [`Journal::open`] does. With `from`, only the segments from there on are
    /// read, checked and visited: of those before it, no more than that their files are there.
    ///
    /// # Errors
    ///
    /// As for [`Journal::open`].
    pub fn open<E>(
        self,
        from: Option<SegmentStart>,
        visit: impl FnMut(Visited<'_>) -> Result<(), E>,
    ) -> Result<(Journal<S>, Opened), OpenError<E>> {
        open(self, from, visit)
    }
}

fn open<S: Storage, E>(
    locked: Locked<S>,
    from: Option<SegmentStart>,
    visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<(Journal<S>, Opened), OpenError<E>> {
    let Locked {
        storage,
        options,
        lock,
    } = locked;
    let place = storage.place();
    let how = Walk {
        live: false,
        retires: options.retires,
        from,
    };
    let mut walked = walk(&*storage, how, visit)?;
    let created = walked.seal.is_none();
    if created {
        refuse_unfinished_restore(&*storage)?;
        if !options.creates {
            return Err(OpenError::Missing { place });
        }
    }
    let seal = match &walked.seal {
        Some(seal) => seal.clone(),
        None => Seal::new(JournalId(storage.draw_id())),
    };
    if created {
        walked.segment_bytes = options.segment_bytes;
    }
    options
        .check(walked.segment_bytes)
        .map_err(OpenError::Options)?;
    let (spares, cut) = if created {
        let cut = set_aside(&*storage, &walked)?;
        (create(&storage, &seal, &mut walked)?, cut)
    } else {
        let cut = repair(&*storage, &seal, &walked)?;
        let spares = Spares::start(&storage, walked.segment_bytes);
        (
            spares.map_err(OpenError::io("start a thread for", &place))?,
            cut,
        )
    };
    let opened = Opened {
        created,
        id: seal.id,
        head: walked.head,
        last_frame: walked.last_frame,
        segments: walked.segments,
        segment_bytes: walked.segment_bytes,
        cut,
    };
    let number = walked.last_segment();
    let name = segment_name(number);
    let file = Arc::new(storage.open(&name).map_err(OpenError::io("open", &name))?);
    let start = read_segment_start(&*storage, number).map_err(OpenError::io("read", &name))?;
    let start = start.ok_or_else(|| {
        OpenError::damaged(
            &name,
            0,
            "its header cannot be read back after it was written",
        )
    })?;
    let segments = Arc::new(Segments::new(
        storage,
        walked.segment_bytes,
        seal,
        options.open_files_max,
    ));
    segments.insert(number, Arc::clone(&file));
    let mut journal = Journal {
        segments,
        file,
        first_segment: walked.first_segment,
        start,
        offset: walked.offset,
        head: walked.head,
        frame: OpenFrame::new(0, 0),
        in_flight: None,
        buffer: Vec::new(),
        options,
        failed: None,
        spares,
        _lock: lock,
    };
    journal.move_frame();
    Ok((journal, opened))
}

/// A folder that a restore was not finished in looks like one without a journal.
fn refuse_unfinished_restore<S: Storage, E>(storage: &S) -> Result<(), OpenError<E>> {
    let names = storage.list();
    let names = names.map_err(OpenError::io("list", &storage.place()))?;
    let is_unfinished = |name: &String| {
        let name = name.strip_suffix(PARTIAL);
        name.is_some_and(|name| segment_number(name).is_some())
    };
    match names.into_iter().find(is_unfinished) {
        Some(file) => Err(OpenError::Damaged {
            file,
            offset: 0,
            what: "a restore into this folder was not finished".to_owned(),
            advice: "empty the folder and restore again".to_owned(),
        }),
        None => Ok(()),
    }
}

/// Moves a first segment whose header was never durable out of the way: nothing follows it.
fn set_aside<S: Storage, E>(storage: &S, walked: &Walked) -> Result<Option<Cut>, OpenError<E>> {
    let name = segment_name(0);
    let place = storage.place();
    let report = match walked.ending {
        Ending::NoHeader(bytes) if bytes > 0 => {
            let names = storage.list().map_err(OpenError::io("list", &place))?;
            let saved_as = cut::free_name(&names, &name);
            let renamed = storage.rename(&name, &saved_as);
            renamed.map_err(OpenError::io("rename", &name))?;
            Some(Cut {
                file: name,
                offset: 0,
                bytes,
                saved_as,
            })
        }
        Ending::NoHeader(_) => {
            storage
                .remove(&name)
                .map_err(OpenError::io("remove", &name))?;
            None
        }
        Ending::Clean | Ending::Torn(_) => return Ok(None),
    };
    storage
        .sync_directory()
        .map_err(OpenError::io("sync", &place))?;
    Ok(report)
}

/// Makes the first segment.
fn create<S: Storage, E>(
    storage: &Arc<S>,
    seal: &Seal,
    walked: &mut Walked,
) -> Result<Spares<S>, OpenError<E>> {
    let place = storage.place();
    let name = segment_name(0);
    let spares = Spares::start(storage, walked.segment_bytes)
        .map_err(OpenError::io("start a thread for", &place))?;
    let file = spares.take().map_err(|none| OpenError::Io {
        doing: "prepare",
        file: name.clone(),
        source: match none {
            NoSpare::Full => std::io::ErrorKind::StorageFull.into(),
            NoSpare::Late => std::io::ErrorKind::TimedOut.into(),
            NoSpare::Short(cause) => std::io::Error::other(&*cause),
            NoSpare::Broken(failure) => std::io::Error::other(failure),
        },
    })?;
    storage
        .rename(SPARE, &name)
        .map_err(OpenError::io("rename", SPARE))?;
    storage
        .sync_directory()
        .map_err(OpenError::io("sync", &place))?;
    walked.segments = 1;
    walked.offset = SEGMENT_HEADER_BYTES as u64;
    write_header(&file, seal, walked).map_err(OpenError::io("write", &name))?;
    spares.want();
    Ok(spares)
}

/// Makes the last segment what the walk found: the torn end cut, the header there, all of it
/// durable.
fn repair<S: Storage, E>(
    storage: &S,
    seal: &Seal,
    walked: &Walked,
) -> Result<Option<Cut>, OpenError<E>> {
    let name = segment_name(walked.last_segment());
    let (offset, bytes) = match walked.ending {
        Ending::Clean => (walked.offset, 0),
        Ending::Torn(bytes) => (walked.offset, bytes),
        Ending::NoHeader(bytes) => (0, bytes),
    };
    let mut report = None;
    if bytes > 0 {
        let saved_as =
            cut::cut(storage, &name, offset, bytes).map_err(OpenError::io("cut", &name))?;
        tracing::warn!(
            file = name,
            offset,
            bytes,
            saved_as,
            "cut the torn end of the journal at byte {offset} of {name}; its bytes are kept in \
             {saved_as}"
        );
        report = Some(Cut {
            file: name.clone(),
            offset,
            bytes,
            saved_as,
        });
    }
    let file = storage.open(&name).map_err(OpenError::io("open", &name))?;
    let rewritten = if matches!(walked.ending, Ending::NoHeader(_)) {
        write_header(&file, seal, walked)
    } else {
        write_again(&file, walked)
    };
    rewritten.map_err(OpenError::io("write", &name))?;
    let place = storage.place();
    storage
        .sync_directory()
        .map_err(OpenError::io("sync", &place))?;
    Ok(report)
}

fn write_header<F: StorageFile>(file: &F, seal: &Seal, walked: &Walked) -> std::io::Result<()> {
    let header = SegmentHeader {
        number: walked.last_segment(),
        segment_bytes: walked.segment_bytes,
        id: seal.id,
        first_sequence: walked.head.sequence + 1,
        records_before: walked.head.records,
        previous_hash: walked.head.hash,
    };
    file.write_at(&header.encode(), 0)?;
    file.sync()
}

/// Writes the header and the last frame over themselves and syncs: all that may be in the page
/// cache only.
fn write_again<F: StorageFile>(file: &F, walked: &Walked) -> std::io::Result<()> {
    let header = (0, SEGMENT_HEADER_BYTES as u64);
    let here = |frame: &FrameInfo| {
        let (number, offset) = frame.address.split(walked.segment_bytes);
        (number == walked.last_segment()).then_some((offset, frame.frame_bytes()))
    };
    let frame = walked.last_frame.as_ref().and_then(here);
    for (offset, length) in std::iter::once(header).chain(frame) {
        let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
        if read_full(file, &mut bytes, offset)? != bytes.len() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(&bytes, offset)?;
    }
    file.sync()
}
