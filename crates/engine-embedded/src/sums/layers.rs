//! The sums of sealed segments, as they are looked up: in memory or in tables.

use std::sync::Arc;

use super::table::SumTable;
use super::{Range, Recent, TableError, Totals, Waiting};

/// The sums of sealed segments, in memory until there is a table of them.
#[derive(Debug)]
pub(crate) struct SealedSums {
    /// The first segment.
    pub(crate) first: u64,
    /// The segment behind the last.
    pub(crate) end: u64,
    pub(crate) sums: Recent,
}

/// The sums of one or more segments.
#[derive(Debug, Clone)]
pub(super) enum SumLayer {
    Memory(Arc<SealedSums>),
    Table(Arc<SumTable>),
}

impl SumLayer {
    /// The first segment.
    pub(super) fn first(&self) -> u64 {
        match self {
            Self::Memory(sealed) => sealed.first,
            Self::Table(table) => table.coverage().first,
        }
    }

    /// The segment behind the last.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Memory(sealed) => sealed.end,
            Self::Table(table) => table.coverage().end.number,
        }
    }

    pub(super) const fn table(&self) -> Option<&Arc<SumTable>> {
        match self {
            Self::Memory(_) => None,
            Self::Table(table) => Some(table),
        }
    }

    /// Whether both are the same one, not only alike.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(one), Self::Memory(other)) => Arc::ptr_eq(one, other),
            (Self::Table(one), Self::Table(other)) => Arc::ptr_eq(one, other),
            (Self::Memory(_), Self::Table(_)) | (Self::Table(_), Self::Memory(_)) => false,
        }
    }
}

/// The layers, the oldest first. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SumLayers {
    /// The segments from the first up to and without the second have all sums: before them everything
    /// is forgotten, behind them nothing was settled.
    pub(crate) segments: (u64, u64),
    pub(super) layers: Arc<[SumLayer]>,
}

impl Default for SumLayers {
    fn default() -> Self {
        Self::empty((0, 0))
    }
}

impl SumLayers {
    /// No layers yet of these segments.
    pub(crate) fn empty(segments: (u64, u64)) -> Self {
        Self {
            segments,
            layers: Arc::new([]),
        }
    }

    /// What is left after a purge in this segment: only what was made of later records, when the
    /// journal is replayed.
    pub(super) fn purged(&self, segment: u64) -> Self {
        let layers = self.layers.iter();
        let left = layers.filter(|layer| layer.first() >= segment).cloned();
        Self {
            segments: (segment, segment),
            layers: left.collect(),
        }
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Arc<SumTable>> {
        self.layers.iter().filter_map(SumLayer::table)
    }

    /// Whether a layer covers the segment.
    pub(super) fn covers(&self, segment: u64) -> bool {
        let mut layers = self.layers.iter();
        layers.any(|layer| (layer.first()..layer.end()).contains(&segment))
    }

    /// Adds what lies in the range.
    ///
    /// # Errors
    ///
    /// When a table cannot be asked.
    pub(crate) fn add_between(
        &self,
        range: Range,
        waiting: Waiting,
        totals: &mut Totals,
    ) -> Result<(), TableError> {
        for layer in self.layers.iter() {
            match layer {
                SumLayer::Memory(sealed) => sealed.sums.add_between(range, totals),
                SumLayer::Table(table) => table.add_between(range, waiting, totals)?,
            }
        }
        Ok(())
    }
}
