//! Nodes, Redis and the database under every order of what can happen to them, and an auditor.
//!
//! Everything follows from a seed. The nodes run [`compare`](crate::compare) itself over stores that
//! are models: two Redis with the library's guards, one of them in use or, after a failover that only
//! some nodes have seen, both, and a database with locks and transactions. Each question to a store is on its way for a while, is carried out at any moment, also
//! after who asked it has died, and its answer may be lost. At every step Redis may restart, come back
//! from an older file, be replaced by its replica in a planned way or not, be wiped, or be set to keep
//! nothing; the database may
//! be rolled back or be away; nodes die, pause and lose their locks. After a time all faults stop, and
//! the ledger has to go on, or to refuse for a reason.

mod audit;
mod model;
mod node;
mod stores;
mod tests;
mod world;

/// A protection that is taken out, for the simulation to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// C1: Redis is read before the database, does not stand still, and drops what is not persisted.
    JudgedUnderWay,
    /// C2: what is kept goes on under the epoch it had.
    EpochKept,
    /// C3: neither calls nor the library know the newest position, and what is kept keeps its epoch.
    PositionsUnseen,
    /// C4: the writer goes on from wherever the database is.
    WriterUnjudged,
    /// C5: what Redis is set to is looked at when a node starts, and never again.
    SettingsOnce,
    /// Nobody looks whether another node goes on with another Redis.
    OthersUnwatched,
    /// A comparison does not read how far other nodes have answered.
    ReportsUnread,
    /// A node that ran goes on without what it has answered, and only names it.
    OwnLossTaken,
}

/// What a run did, so that a test can tell that it tested something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) persisted: u64,
    pub(crate) joined: u64,
    pub(crate) kept: u64,
    pub(crate) rebuilt: u64,
    pub(crate) refused: u64,
    pub(crate) doubts: u64,
    pub(crate) excused: u64,
    pub(crate) alarms: u64,
    pub(crate) faults: u64,
    pub(crate) partial: u64,
    pub(crate) late: u64,
    pub(crate) unkept: u64,
    /// Failovers that only some nodes saw.
    pub(crate) split: u64,
    /// Refusals of a Redis while another node went on with another one.
    pub(crate) elsewhere: u64,
    /// Comparisons that were refused since a node had answered more.
    pub(crate) behind: u64,
    /// Likewise by the node itself that had.
    pub(crate) behind_own: u64,
    /// A Redis that syncs once a second was gone on with without its newest writes.
    pub(crate) tails: u64,
}

impl Tally {
    fn plus(self, more: Self) -> Self {
        Self {
            answered: self.answered + more.answered,
            persisted: self.persisted + more.persisted,
            joined: self.joined + more.joined,
            kept: self.kept + more.kept,
            rebuilt: self.rebuilt + more.rebuilt,
            refused: self.refused + more.refused,
            doubts: self.doubts + more.doubts,
            excused: self.excused + more.excused,
            alarms: self.alarms + more.alarms,
            faults: self.faults + more.faults,
            partial: self.partial + more.partial,
            late: self.late + more.late,
            unkept: self.unkept + more.unkept,
            split: self.split + more.split,
            elsewhere: self.elsewhere + more.elsewhere,
            behind: self.behind + more.behind,
            behind_own: self.behind_own + more.behind_own,
            tails: self.tails + more.tails,
        }
    }
}

/// Runs one seed; `Err` says which promise was broken.
pub(crate) fn run(seed: u64, bug: Option<Bug>) -> Result<Tally, String> {
    world::World::run(seed, bug)
}
