//! What is kept beside the journal, against the journal: snapshots, and tables of ids and of sums.

use std::io;

use journal::{SegmentStart, Storage, Visited};
use ledger::Timestamp;

use super::sums::{Compared, SumsBeside};
use crate::books::Books;
use crate::ids::{
    Ids, SegmentIds, Space, Table, TableError, UnreadTable, Waiting, tables_of_journal,
};
use crate::replay::Replay;
use crate::snapshot::{Snapshot, of_journal};

/// Compares, segment by segment, while the records are visited.
pub(super) struct Beside {
    /// The ones that are not compared yet, the newest first.
    snapshots: Vec<Snapshot>,
    /// Of which no segment was visited yet, the last one first.
    unread: Vec<UnreadTable>,
    /// Those of the segment in hand, without their filters: what is in memory of all tables grows with
    /// the ids.
    tables: Vec<Checked>,
    sums: SumsBeside,
    /// What the records so far lead to; the ids are those of the segment in hand.
    replay: Replay,
    /// Records that the replay did not understand: the auditor tells of them.
    is_whole: bool,
    /// Records are brought in although nothing is left to compare with.
    replays_all: bool,
    /// What differs, and where in the journal.
    pub(super) findings: Vec<(u64, String)>,
    /// Files that cannot be used.
    pub(super) unusable: Vec<String>,
    /// How many snapshots were the same as the replay.
    pub(super) snapshots_count: u64,
    /// How many tables had the ids that the records use, or the sums that they lead to, and no others.
    pub(super) tables_count: u64,
}

/// A table, and how many of its entries were found to be right.
struct Checked {
    table: Table,
    right: [u64; Space::ALL.len()],
    is_wrong: bool,
}

impl Beside {
    pub(super) fn open<S: Storage>(storage: &S) -> io::Result<Self> {
        let (mut snapshots, mut unusable) = of_journal(storage)?;
        snapshots.reverse();
        let (mut unread, others) = tables_of_journal(storage)?;
        unread.reverse();
        unusable.extend(others);
        let (sums, others) = SumsBeside::open(storage)?;
        unusable.extend(others);
        Ok(Self {
            snapshots,
            unread,
            tables: Vec::new(),
            sums,
            replay: Replay::default(),
            is_whole: true,
            replays_all: false,
            findings: Vec::new(),
            unusable,
            snapshots_count: 0,
            tables_count: 0,
        })
    }

    /// Begins with the newest snapshot of the state after this frame or an earlier one, if there is one:
    /// only what comes after it is compared. Returns the segment that it is before.
    pub(super) fn since<S: Storage>(
        storage: &S,
        sequence: u64,
    ) -> io::Result<Option<(Self, SegmentStart)>> {
        let mut beside = Self::open(storage)?;
        let is_early = |snapshot: &Snapshot| snapshot.start.head.sequence <= sequence;
        let Some(index) = beside.snapshots.iter().position(is_early) else {
            return Ok(None);
        };
        let snapshot = beside.snapshots.remove(index);
        beside.snapshots.truncate(index);
        let start = snapshot.start;
        beside.sums.begin(start.number, &snapshot.sums);
        beside.replay = Replay::from(Some(snapshot));
        beside.replay.books.ids = Ids::from(start.number);
        beside.replays_all = true;
        beside
            .unread
            .retain(|table| table.segments().start >= start.number);
        Ok(Some((beside, start)))
    }

    /// What the records so far lead to.
    pub(super) const fn books(&self) -> &Books {
        &self.replay.books
    }

    /// The time of the newest record so far.
    pub(super) const fn newest(&self) -> Timestamp {
        self.replay.newest
    }

    pub(super) fn record(&mut self, visited: Visited<'_>) {
        self.reach(visited.segment, visited.segment * visited.segment_bytes);
        let has_ids = !self.tables.is_empty() || !self.unread.is_empty();
        let has_tables = has_ids || self.sums.has_tables();
        if self.replays_all || has_tables || !self.snapshots.is_empty() {
            self.is_whole &= self.replay.take_in(visited).is_ok();
        }
    }

    /// All records before this segment were visited; `address` is where it begins.
    pub(super) fn reach(&mut self, segment: u64, address: u64) {
        while self.replay.books.ids.segment() < segment {
            let sealed = self.replay.books.ids.seal();
            self.check_tables(sealed.segment, &sealed.ids, address);
            self.check_sums(sealed.segment, address);
        }
        while let Some(snapshot) = self
            .snapshots
            .pop_if(|snapshot| snapshot.start.number <= segment)
        {
            self.check_snapshot(&snapshot, address);
        }
    }

    fn check_snapshot(&mut self, snapshot: &Snapshot, address: u64) {
        let segment = snapshot.start.number;
        let replay = &self.replay;
        let differs = if snapshot.expiries != replay.draft.expiries {
            Some("the pending transfers that have a time")
        } else if snapshot.newest != replay.newest {
            Some("the time of the newest record")
        } else {
            let differs = snapshot.books.differs_from(&replay.books);
            let has_sums = self.sums.agrees_with(&snapshot.sums);
            differs.or((!has_sums).then_some("the sums of payments"))
        };
        match differs {
            _ if !self.is_whole => {}
            None => self.snapshots_count += 1,
            Some(what) => self.findings.push((
                address,
                format!(
                    "the snapshot before segment {segment} is not what the records before it lead \
                     to: {what} differ"
                ),
            )),
        }
    }

    fn check_sums(&mut self, segment: u64, address: u64) {
        for compared in self.sums.reach(segment, &mut self.replay.books.summary) {
            match compared {
                _ if !self.is_whole => {}
                Compared::Same => self.tables_count += 1,
                Compared::Differs(what) => self.findings.push((address, what)),
                Compared::Unreadable(name) => self.unusable.push(name),
            }
        }
    }

    fn check_tables(&mut self, segment: u64, ids: &SegmentIds, address: u64) {
        self.read_tables(segment);
        for checked in &mut self.tables {
            let segments = checked.table.segments();
            if !segments.contains(&segment) {
                continue;
            }
            match checked.check(ids) {
                Ok(None) => {}
                Ok(Some(wrong)) => {
                    checked.is_wrong = true;
                    self.findings.push((address, wrong));
                }
                // The journal has all that it holds.
                Err(error) => {
                    tracing::debug!(%error, "a table cannot be read");
                    checked.is_wrong = true;
                    let name = checked.table.name().to_owned();
                    if !self.unusable.contains(&name) {
                        self.unusable.push(name);
                    }
                }
            }
            if segment + 1 == segments.end && !checked.is_wrong {
                if checked.right == checked.table.counts() {
                    self.tables_count += 1;
                } else {
                    let name = checked.table.name();
                    let what = format!(
                        "{name} has ids that no record of its segments uses, or places in lists that none adds"
                    );
                    self.findings.push((address, what));
                }
            }
        }
        let is_ahead = |checked: &Checked| segment + 1 < checked.table.segments().end;
        self.tables.retain(is_ahead);
    }

    /// Reads the tables that begin with this segment.
    fn read_tables(&mut self, segment: u64) {
        let begins = |table: &mut UnreadTable| table.segments().start <= segment;
        while let Some(unread) = self.unread.pop_if(begins) {
            let name = unread.name();
            match unread.read(false) {
                Ok(Some(table)) => self.tables.push(Checked {
                    table,
                    right: [0; Space::ALL.len()],
                    is_wrong: false,
                }),
                // The journal has all that it holds.
                Ok(None) => self.unusable.push(name),
                Err(error) => {
                    tracing::debug!(%error, "a table cannot be read");
                    self.unusable.push(name);
                }
            }
        }
    }
}

impl Checked {
    /// Compares a segment's ids. Of an id that a later segment of the table uses, too, the later
    /// record counts.
    /// Returns what is wrong, if something is.
    fn check(&mut self, ids: &SegmentIds) -> Result<Option<String>, TableError> {
        for space in Space::ALL {
            for (id, address) in ids.sorted(space) {
                match self.table.find(space, id, Waiting::Allowed)? {
                    Some(found) if found == address => self.right[space as usize] += 1,
                    Some(found) if found > address => {}
                    Some(_) | None => {
                        let name = self.table.name();
                        return Ok(Some(match space {
                            Space::Transfers | Space::Payments | Space::Batches => format!(
                                "{name} does not lead to the newest record about id {id:032x}"
                            ),
                            Space::Lists => {
                                let at = id & u128::from(u64::MAX);
                                format!(
                                    "{name} does not lead to what is in a list at {at} ns since 1970"
                                )
                            }
                        }));
                    }
                }
            }
        }
        Ok(None)
    }
}
