//! What can be chosen when the engine is opened.

use std::sync::Arc;

use ledger::ClockBounds;

use crate::progress::OpeningProgress;

/// How the engine is opened.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// How the journal is kept.
    pub journal: journal::JournalOptions,
    /// About how many bytes of commands may wait for the writer; more are `overloaded`.
    pub queue_bytes_max: usize,
    /// How much the clock is trusted.
    pub clock: ClockBounds,
    /// Whether threads of their own write a frame while the next one is gathered, and make tables.
    /// Without them a frame is written when something has to wait for it, and a table as soon as a
    /// segment is sealed: at the same moment in every run, for simulations.
    pub overlaps: bool,
    /// After about so many bytes of journal a snapshot is taken, or after twice its own length if that
    /// is more: a start replays no more than that, and what came meanwhile. 128 MiB by default; 0 for
    /// one with each segment.
    pub snapshot_bytes: u64,
    /// At most how many bytes a second a merge of tables writes while the ledger works, and about as
    /// many it reads; 0 for no bound. 256 MiB by default: at 1.1 million transfers a second and up to
    /// 300 million of them, merges write 110 MB a second. A ledger whose merges fall behind has more
    /// tables to ask, and is right all the same.
    pub merge_bytes_per_s: u64,
    /// Where the opening reports how far it has come.
    pub progress: Option<Arc<OpeningProgress>>,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        let journal = journal::JournalOptions {
            // An atomic batch is one frame: at most 8,190 records of 2 KiB, 4 MiB of texts, and where
            // they are about payments the notes of each.
            frame_bytes_max: 46 << 20,
            ..journal::JournalOptions::default()
        };
        Self {
            journal,
            queue_bytes_max: 64 << 20,
            clock: ClockBounds::default(),
            overlaps: true,
            snapshot_bytes: 128 << 20,
            merge_bytes_per_s: 256 << 20,
            progress: None,
        }
    }
}
