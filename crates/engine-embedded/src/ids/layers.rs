//! The ids of sealed segments, as they are looked up: in memory or in tables.

use std::sync::Arc;

use journal::Address;

use super::filter::Probe;
use super::table::{Table, TableError, Waiting};
use super::{PlacesPage, SegmentIds, Space};

/// How many ids a layer is asked for before the next layer is: what they need fits into the processor's
/// nearest cache.
const PROBES_AT_ONCE: usize = 128;

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

    /// Sets `may_have` of each id that may be there; what stays `false` is certain. Asks memory only.
    ///
    /// Filters are far larger than the processor's caches. A layer is asked for many ids, one right
    /// after the other, so that these waits for memory overlap.
    pub(super) fn may_have_each(&self, space: Space, ids: &[u128], may_have: &mut [bool]) {
        let mut probes = [Probe::NOTHING; PROBES_AT_ONCE];
        let tables = self.tables().next();
        for (ids, may_have) in ids
            .chunks(PROBES_AT_ONCE)
            .zip(may_have.chunks_mut(PROBES_AT_ONCE))
        {
            // Any table of the journal says how ids are looked for in all of them.
            if let Some(table) = tables {
                for (probe, id) in probes.iter_mut().zip(ids) {
                    *probe = table.probe(space, *id);
                }
            }
            for layer in self.iter() {
                match layer {
                    Layer::Memory(sealed) => sealed.ids.has_each(space, ids, may_have),
                    Layer::Table(table) => table.may_have_each(space, ids, &probes, may_have),
                }
            }
        }
    }

    /// Adds the places of a list that are asked for.
    ///
    /// # Errors
    ///
    /// When a table cannot be asked.
    pub(super) fn places(&self, page: &mut PlacesPage, waiting: Waiting) -> Result<(), TableError> {
        let newest_first = page.query.newest_first;
        let mut add = |layer: &Layer| match layer {
            Layer::Memory(sealed) => {
                sealed.ids.places(page);
                Ok(())
            }
            Layer::Table(table) => table.places(page, waiting),
        };
        // About in the page's order: what comes later finds it full.
        match newest_first {
            true => self.iter().rev().try_for_each(&mut add),
            false => self.iter().try_for_each(&mut add),
        }
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
