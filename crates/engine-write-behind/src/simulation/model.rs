//! The stores as models. Of the ledger only its history is left: which write is at which position.

use std::collections::BTreeMap;

use ledger::Timestamp;
use uuid::Uuid;

use super::Bug;
use super::world::Life;
use crate::compare::Mark;
use crate::epoch::{History, Newest, epoch_of};
use crate::nodes::Answered;
use crate::positions::Behind;

/// A write: no two are the same.
pub(super) type Write = u64;

const LEDGER: [u8; 16] = [7; 16];

/// Why a store did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// The way was lost, before or after.
    Lost,
    /// Redis has to be compared.
    Stale,
    /// It would drop what is not persisted.
    Unpersisted,
    /// The position or the epoch is another one.
    Moved,
}

/// What Redis keeps in its file and gives to its replica.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) ledger: Option<Data>,
    /// The epoch of a rebuild under way.
    pub(super) rebuild: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) epoch: String,
    /// Position 1 is the first one. What is trimmed is here too: accounts and filters know it.
    pub(super) history: Vec<Write>,
    pub(super) trimmed: usize,
    pub(super) let_go: usize,
}

/// Whether a ledger that is kept goes on under the epoch it had.
pub(super) fn keeps_epoch(bug: Option<Bug>) -> bool {
    matches!(bug, Some(Bug::EpochKept | Bug::PositionsUnseen))
}

/// A Redis process; the library's guards are those of its Lua.
#[derive(Debug, Clone, Default)]
pub(super) struct Redis {
    /// Another one after each restart, as its `run_id`.
    pub(super) run: u64,
    pub(super) kept: Kept,
    /// In the library's memory: the epoch that was compared, the newest position since.
    pub(super) session: Option<(String, usize)>,
}

impl Redis {
    pub(super) fn is_in_session(&self, bug: Option<Bug>) -> bool {
        let (Some(data), Some((epoch, position))) = (&self.kept.ledger, &self.session) else {
            return false;
        };
        *epoch == data.epoch
            && (data.history.len() >= *position || bug == Some(Bug::PositionsUnseen))
    }

    /// The ledger, for a call with this token.
    pub(super) fn called(
        &mut self,
        token: &(String, usize),
        bug: Option<Bug>,
    ) -> Result<&mut Data, No> {
        if !self.is_in_session(bug) {
            return Err(No::Stale);
        }
        let data = self.kept.ledger.as_mut().ok_or(No::Stale)?;
        let is_behind = data.history.len() < token.1 && bug != Some(Bug::PositionsUnseen);
        if data.epoch != token.0 || is_behind {
            return Err(No::Stale);
        }
        Ok(data)
    }

    /// Applies a write where its id is new; the position afterwards.
    pub(super) fn apply(
        &mut self,
        token: &(String, usize),
        write: Write,
        bug: Option<Bug>,
    ) -> Result<(usize, bool), No> {
        let data = self.called(token, bug)?;
        let is_new = !data.history.contains(&write);
        if is_new {
            data.history.push(write);
        }
        let position = data.history.len();
        if let Some(session) = &mut self.session {
            session.1 = position;
        }
        Ok((position, is_new))
    }

    pub(super) fn look(&self, bug: Option<Bug>) -> Option<Mark> {
        let data = self.kept.ledger.as_ref()?;
        let begin = (data.trimmed < data.history.len()).then_some(data.trimmed as u64 + 1);
        Some(Mark {
            epoch: data.epoch.clone(),
            ledger: LEDGER,
            position: data.history.len() as u64,
            trimmed: data.trimmed as u64,
            let_go: data.let_go as u64,

            stream_begin: begin,
            is_in_session: self.is_in_session(bug),
            is_old_format: false,
        })
    }

    pub(super) fn halt(&mut self, epoch: &str, bug: Option<Bug>) -> Result<Option<Mark>, No> {
        if let Some(data) = &self.kept.ledger {
            if data.epoch.as_str() >= epoch && !keeps_epoch(bug) {
                return Err(No::Stale);
            }
            self.session = None;
        }
        Ok(self.look(bug))
    }

    pub(super) fn resume(
        &mut self,
        from: &str,
        to: &str,
        position: u64,
        bug: Option<Bug>,
    ) -> Result<(), No> {
        let data = self.kept.ledger.as_mut().ok_or(No::Stale)?;
        let is_later = to > data.epoch.as_str() || keeps_epoch(bug);
        if data.epoch != from || !is_later || data.history.len() as u64 != position {
            return Err(No::Stale);
        }
        to.clone_into(&mut data.epoch);

        self.session = Some((to.to_owned(), data.history.len()));
        Ok(())
    }

    pub(super) fn rebuild(
        &mut self,
        to: &str,
        found: &str,
        drop: u64,
        bug: Option<Bug>,
    ) -> Result<(), No> {
        if let Some(data) = &self.kept.ledger
            && bug != Some(Bug::JudgedUnderWay)
        {
            if data.epoch != found || self.is_in_session(bug) || to <= data.epoch.as_str() {
                return Err(No::Stale);
            }
            if data.history.len() as u64 > drop {
                return Err(No::Unpersisted);
            }
        }
        if self.kept.rebuild.as_deref().is_some_and(|other| other > to) {
            return Err(No::Stale);
        }
        self.kept = Kept {
            ledger: None,
            rebuild: Some(to.to_owned()),
        };
        Ok(())
    }

    pub(super) fn found(&mut self, epoch: &str, history: Vec<Write>) -> Result<(), No> {
        if self.kept.rebuild.as_deref() != Some(epoch) {
            return Err(No::Stale);
        }
        let position = history.len();
        self.session = Some((epoch.to_owned(), position));
        self.kept = Kept {
            ledger: Some(Data {
                epoch: epoch.to_owned(),
                history,
                trimmed: position,
                let_go: position,
            }),
            rebuild: None,
        };
        Ok(())
    }
}

/// Who holds a lock, by connection.
pub(super) type Connection = u64;

/// What a node has reported of itself, as in `lastro_behind.nodes`.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) run: u64,
    pub(super) newest: Newest,
    pub(super) beats: i64,
    /// It goes on with no Redis.
    pub(super) has_left: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Database {
    pub(super) exists: bool,
    pub(super) epoch: String,
    /// By number: the epoch, and where it began.
    pub(super) epochs: BTreeMap<u64, (String, Option<u64>)>,
    pub(super) position: usize,
    pub(super) history: Vec<Write>,
    pub(super) nodes: BTreeMap<Life, Report>,
}

impl Database {
    /// As the statement of `nodes::beat`.
    pub(super) fn beat(&mut self, life: Life, run: u64, newest: Newest) {
        let beats = self.nodes.get(&life).map_or(0, |report| report.beats);
        let report = Report {
            run,
            newest,
            beats: beats + 1,
            has_left: false,
        };
        self.nodes.insert(life, report);
    }

    /// As those of `nodes::note_answered` and `nodes::leave`.
    pub(super) fn note_answered(&mut self, life: Life, newest: Newest, leaves: bool) {
        if let Some(report) = self.nodes.get_mut(&life) {
            report.newest = newest;
            report.has_left |= leaves;
        }
    }

    /// As that of `nodes::answered`.
    pub(super) fn answered(&self, own: Life) -> Option<Answered> {
        let others = self.nodes.iter().filter(|(life, _)| **life != own);
        let kept = others.filter_map(|(_, report)| {
            let (number, position) = self.vouched(report)?;
            let (epoch, address) = (report.newest.epoch.clone(), String::new());
            let answered = Answered {
                position,
                epoch,
                address,
            };
            Some((position, number, answered))
        });
        let newest = kept.max_by_key(|(position, number, _)| (*position, *number));
        newest.map(|(_, _, answered)| answered)
    }

    /// The number of a report's epoch, and how far of it the ledger did not go on without already;
    /// `None`: the database does not know the epoch. Epochs that it has lost in between change nothing.
    pub(super) fn vouched(&self, report: &Report) -> Option<(u64, u64)> {
        let mut epochs = self.epochs.iter();
        let (number, _) = epochs.find(|(_, (epoch, _))| *epoch == report.newest.epoch)?;
        let later = self.epochs.range(number + 1..);
        let went_on = later.filter_map(|(_, (_, began))| *began).min();
        let position = report.newest.position;
        Some((*number, went_on.map_or(position, |from| from.min(position))))
    }

    pub(super) fn read(&self) -> Option<Behind> {
        let known = self.epochs.values().find(|(epoch, _)| *epoch == self.epoch);
        self.exists.then(|| Behind {
            ledger_id: Uuid::from_bytes(LEDGER),
            epoch: self.epoch.clone(),
            began: known.and_then(|(_, began)| *began),
            position: self.position as u64,
            newest: Timestamp::default(),
        })
    }

    pub(super) fn take(&mut self, above: u64, random: u32) -> Result<Behind, No> {
        let newest = self.epochs.keys().next_back().copied().unwrap_or(0);
        let number = newest.max(above) + 1;
        self.epoch = epoch_of(number, random);
        self.epochs.insert(number, (self.epoch.clone(), None));
        self.read().ok_or(No::Moved)
    }

    pub(super) fn history(&self, epoch: &str) -> History {
        let number = self.epochs.iter().find(|(_, (known, _))| known == epoch);
        let Some((number, _)) = number else {
            return History::Unknown;
        };
        let later = self.epochs.range(number + 1..);
        let newest = self.epochs.keys().next_back().copied().unwrap_or(*number);
        if later.clone().count() as u64 != newest - number {
            return History::Gap;
        }
        History::WentOn(later.filter_map(|(_, (_, began))| *began).min())
    }

    pub(super) fn confirm(&mut self, epoch: &str, at: u64) -> bool {
        if self.epoch != epoch {
            return false;
        }
        for (known, began) in self.epochs.values_mut() {
            if known == epoch {
                *began = Some(at);
            }
        }
        true
    }

    /// Persists what is in the stream from the position after `from` on.
    pub(super) fn persist(
        &mut self,
        epoch: &str,
        from: usize,
        to: usize,
        writes: &[Write],
    ) -> Result<(), No> {
        if self.epoch != epoch || self.position != from {
            return Err(No::Moved);
        }
        self.position = to;
        self.history.extend(writes);
        Ok(())
    }
}
