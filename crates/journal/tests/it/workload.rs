//! A seeded workload over the faulty storage, and what must be found of it afterwards.

use std::convert::Infallible;

use journal::faulty::FaultyStorage;
use journal::{Address, Durability, Journal, JournalOptions, OpenError, Opened, SealedFrame};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::Seeds;

/// Small, so that a short workload fills several segments.
pub(crate) const SEGMENT_BYTES: u64 = 4096;

/// Frames that the workload commits, in two runs.
const FRAMES: [usize; 2] = [24, 16];

/// All of them.
pub(crate) const FRAMES_ALL: usize = FRAMES[0] + FRAMES[1];

pub(crate) fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: SEGMENT_BYTES,
        frame_bytes_max: 2048,
        durability: Durability::Disk,
        ..JournalOptions::default()
    }
}

/// Runs the test for `count` seeds, or for those that the environment asks for.
pub(crate) fn for_seeds(count: u64, test: impl Fn(u64)) {
    for seed in Seeds::from_env(count) {
        let _printed = PrintedOnPanic(seed);
        test(seed);
    }
}

struct PrintedOnPanic(u64);

impl Drop for PrintedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this run again: LASTRO_SEED={}", self.0);
        }
    }
}

/// One frame as a reader found it or a writer had it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) time_ns: u64,
    pub(crate) records: Vec<(Address, Vec<u8>)>,
}

/// What was asked of the journal, and what it answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) answered: Vec<Frame>,
    /// The frame whose commit failed, if one did.
    pub(crate) unanswered: Option<Frame>,
}

impl History {
    /// All that was answered is there, and of the unanswered frame all or nothing.
    pub(crate) fn check(&mut self, found: &[Frame]) {
        assert!(
            found.len() >= self.answered.len(),
            "an answered frame is lost"
        );
        let (answered, more) = found.split_at(self.answered.len());
        assert_eq!(answered, self.answered);
        if !more.is_empty() {
            assert_eq!(
                more,
                [self.unanswered.clone().expect("a frame nobody wrote")]
            );
            self.answered.extend(self.unanswered.take());
        }
        self.unanswered = None;
    }
}

pub(crate) type Reopened = (Journal<FaultyStorage>, Opened, Vec<Frame>);

/// Opens the journal and gathers the frames it visits.
pub(crate) fn open(storage: &FaultyStorage) -> Result<Reopened, OpenError<Infallible>> {
    open_as(storage, Durability::Disk)
}

/// The same, with another durability.
pub(crate) fn open_as(
    storage: &FaultyStorage,
    durability: Durability,
) -> Result<Reopened, OpenError<Infallible>> {
    let options = JournalOptions {
        durability,
        ..options()
    };
    let mut frames: Vec<Frame> = Vec::new();
    let (journal, opened) = Journal::open(storage.clone(), options, |visited| {
        if visited.index_in_frame == 0 {
            frames.push(Frame {
                time_ns: visited.frame.time_ns,
                records: Vec::new(),
            });
        }
        let frame = frames.last_mut().unwrap();
        frame
            .records
            .push((visited.address, visited.payload.to_vec()));
        assert_eq!(frame.records.len(), visited.index_in_frame as usize + 1);
        assert_eq!(
            visited.last_in_frame,
            frame.records.len() == visited.frame.count as usize
        );
        assert_eq!(visited.frame.sequence, frames.len() as u64);
        Ok(())
    })?;
    assert_eq!(opened.head.sequence, frames.len() as u64);
    Ok((journal, opened, frames))
}

/// Commits `frames` random frames; stops at the first refusal and says whether there was one.
/// Often a frame is written only once the next one is gathered.
pub(crate) fn append(
    journal: &mut Journal<FaultyStorage>,
    random: &mut StdRng,
    frames: usize,
    history: &mut History,
) -> bool {
    let mut in_flight: Option<(SealedFrame<FaultyStorage>, Frame)> = None;
    for _ in 0..frames {
        let payloads = draw_payloads(random);
        let bytes = payloads.iter().map(Vec::len).sum();
        if journal.would_roll(bytes, payloads.len()) && !land(journal, &mut in_flight, history) {
            return false;
        }
        if journal.begin(bytes, payloads.len()).is_err() {
            // What is in flight is written all the same.
            land(journal, &mut in_flight, history);
            return false;
        }
        let frame = gather(journal, random.random(), payloads);
        check_pushed(journal, &frame, in_flight.as_ref());
        if !land(journal, &mut in_flight, history) {
            return false;
        }
        let Ok(sealed) = journal.seal(frame.time_ns) else {
            return false;
        };
        in_flight = Some((sealed, frame));
        if random.random() && !land(journal, &mut in_flight, history) {
            return false;
        }
    }
    land(journal, &mut in_flight, history)
}

fn gather(journal: &mut Journal<FaultyStorage>, time_ns: u64, payloads: Vec<Vec<u8>>) -> Frame {
    let push = |payload: Vec<u8>| {
        let address = journal.push(|buffer| buffer.extend_from_slice(&payload));
        (address, payload)
    };
    Frame {
        time_ns,
        records: payloads.into_iter().map(push).collect(),
    }
}

/// What is not on the disk yet is told from memory.
fn check_pushed(
    journal: &Journal<FaultyStorage>,
    open: &Frame,
    in_flight: Option<&(SealedFrame<FaultyStorage>, Frame)>,
) {
    assert_eq!(journal.is_in_flight(), in_flight.is_some());
    let sealed = in_flight.map(|(_, frame)| frame);
    for (address, payload) in [Some(open), sealed]
        .into_iter()
        .flatten()
        .flat_map(|f| &f.records)
    {
        assert_eq!(journal.pushed(*address), Some(&payload[..]));
    }
}

/// Whether the frame in flight, if there is one, reached the disk.
fn land(
    journal: &mut Journal<FaultyStorage>,
    in_flight: &mut Option<(SealedFrame<FaultyStorage>, Frame)>,
    history: &mut History,
) -> bool {
    let Some((sealed, frame)) = in_flight.take() else {
        return true;
    };
    match journal.complete(sealed.write()) {
        Ok(info) => {
            assert_eq!(info.sequence, history.answered.len() as u64 + 1);
            history.answered.push(frame);
            true
        }
        Err(_) => {
            history.unanswered = Some(frame);
            false
        }
    }
}

fn draw_payloads(random: &mut StdRng) -> Vec<Vec<u8>> {
    let length_max = if random.random_ratio(1, 8) { 450 } else { 90 };
    let count = random.random_range(1..=4);
    (0..count)
        .map(|_| {
            let mut payload = vec![0; random.random_range(0..=length_max)];
            random.fill(&mut payload[..]);
            payload
        })
        .collect()
}

/// Opens, appends, closes and does so once more, as far as the storage lets it.
pub(crate) fn run(storage: &FaultyStorage, seed: u64) -> History {
    let mut random = StdRng::seed_from_u64(seed);
    let mut history = History::default();
    for frames in FRAMES {
        let Ok((mut journal, opened, found)) = open(storage) else {
            break;
        };
        assert_eq!(opened.cut, None);
        assert_eq!(found, history.answered);
        if !append(&mut journal, &mut random, frames, &mut history) {
            break;
        }
    }
    history
}

/// The number of operations of that workload when nothing fails.
pub(crate) fn operations(seed: u64) -> u64 {
    let storage = FaultyStorage::new(seed);
    assert_eq!(run(&storage, seed).answered.len(), FRAMES_ALL);
    storage.operations()
}
