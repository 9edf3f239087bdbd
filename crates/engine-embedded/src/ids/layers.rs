//! The ids of sealed segments, as they are looked up: in memory or in tables.

use std::sync::Arc;

use journal::Address;

use super::table::{Table, TableError, Waiting};
use super::{SegmentIds, Space};

/// The ids of a sealed segment, in memory until there is a table of them.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) segment: u64,
    pub(crate) ids: SegmentIds,
}

/// The ids of one or more segments.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    Memory(Arc<Sealed>),
    Table(Arc<Table>),
}

impl Layer {
    /// The first segment.
    pub(super) fn first(&self) -> u64 {
        match self {
            Self::Memory(sealed) => sealed.segment,
            Self::Table(table) => table.coverage().first,
        }
    }

    /// The segment behind the last.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Memory(sealed) => sealed.segment + 1,
            Self::Table(table) => table.end().number,
        }
    }

    pub(super) const fn table(&self) -> Option<&Arc<Table>> {
        match self {
            Self::Memory(_) => None,
            Self::Table(table) => Some(table),
        }
    }
}

/// The layers, the oldest first: each begins where the one before ends. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Layers(Arc<[Layer]>);

impl Default for Layers {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl Layers {
    pub(super) fn new(layers: Vec<Layer>) -> Self {
        Self(layers.into())
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Layer> {
        self.0.iter()
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.iter().filter_map(Layer::table)
    }

    /// Whether the id may be there: `false` is certain. Asks memory only.
    pub(super) fn may_have(&self, space: Space, id: u128) -> bool {
        self.iter().any(|layer| match layer {
            Layer::Memory(sealed) => sealed.ids.get(space, id).is_some(),
            Layer::Table(table) => table.may_have(space, id),
        })
    }

    /// Where the newest record about the id is.
    ///
    /// # Errors
    ///
    /// When a table cannot be asked.
    pub(crate) fn find(
        &self,
        space: Space,
        id: u128,
        waiting: Waiting,
    ) -> Result<Option<Address>, TableError> {
        for layer in self.iter().rev() {
            let found = match layer {
                Layer::Memory(sealed) => sealed.ids.get(space, id),
                Layer::Table(table) => table.find(space, id, waiting)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
