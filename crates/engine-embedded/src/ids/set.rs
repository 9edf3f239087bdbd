//! The tables there are, on disk and for readers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{SegmentStart, Storage, is_shortage, read_segment_start};
use parking_lot::Mutex;

use super::build::TableWriter;
use super::layers::{Layer, Layers, Sealed};
use super::layout::{KIND, MERGE_PARTIAL, PARTIAL};
use super::lists::list_of;
use super::merge::{MakeError, merge};
use super::table::{Table, UnreadTable};
use super::{SegmentIds, Space};
use crate::beside::{Coverage, Pace, Stop, covered, file_name, next_merge, or_remove};

/// All tables of a ledger, and the ids of sealed segments that have none yet.
pub(crate) struct TableSet<S: Storage> {
    storage: Arc<S>,
    layers: Mutex<Layers>,
    /// Grows with every change of `layers`.
    version: AtomicU64,
    /// Held by the thread that makes one table out of others.
    merging: Mutex<()>,
    stop: Stop,
}

impl<S: Storage> TableSet<S> {
    /// Opens the tables that belong to the journal. Segments may be left that none covers. Returns the
    /// names of the other tables, too: what a crash left behind (unfinished ones, and those that are
    /// part of a larger one), and those that are not whole or not of this journal. They can be removed
    /// once the journal is open.
    ///
    /// # Errors
    ///
    /// When the storage cannot list files, or has no descriptor to open one with.
    pub(crate) fn open(storage: &Arc<S>) -> io::Result<(Self, Vec<String>)> {
        let names = storage.list()?;
        let is_partial = |name: &&String| [PARTIAL, MERGE_PARTIAL].contains(&name.as_str());
        let mut useless: Vec<String> = names.iter().filter(is_partial).cloned().collect();
        let mut found: Vec<_> = names
            .iter()
            .filter_map(|name| covered(KIND, name))
            .collect();
        // The one that covers most first.
        found.sort_unstable_by_key(|(first, end)| (*first, std::cmp::Reverse(*end)));
        let mut layers: Vec<Layer> = Vec::new();
        for (first, end) in found {
            let name = file_name(KIND, first, end);
            if layers.last().is_some_and(|layer| first < layer.end()) {
                useless.push(name);
                continue;
            }
            match belonging(&**storage, &name, end) {
                Ok(Some(table)) => layers.push(Layer::Table(Arc::new(table))),
                Ok(None) => useless.push(name),
                Err(error) if is_shortage(&error) => return Err(error),
                // What cannot be read now may be read another time.
                Err(error) => tracing::warn!(
                    file = name,
                    %error,
                    "the table {name} cannot be read and is passed over: {error}. What it holds is \
                     read from the journal"
                ),
            }
        }
        let set = Self {
            storage: Arc::clone(storage),
            layers: Mutex::new(Layers::new(layers)),
            version: AtomicU64::new(0),
            merging: Mutex::new(()),
            stop: Stop::default(),
        };
        Ok((set, useless))
    }

    /// Once it is asked, nothing is made or merged any more, and what is in hand ends unfinished.
    pub(crate) const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// The ids as they are looked up now.
    pub(crate) fn layers(&self) -> Layers {
        self.layers.lock().clone()
    }

    /// Changes whenever the layers do.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The segments before `end` that no layer covers.
    pub(crate) fn missing(&self, end: u64) -> Vec<u64> {
        let layers = self.layers();
        let mut missing = Vec::new();
        let mut next = 0;
        for layer in layers.iter() {
            missing.extend(next..layer.first().min(end));
            next = layer.end();
        }
        missing.extend(next..end);
        missing
    }

    /// Whether a table of this name is in use.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.layers().tables().any(|table| table.name() == name)
    }

    /// Whether a layer covers the segment.
    pub(crate) fn covers(&self, segment: u64) -> bool {
        let layers = self.layers();
        let mut layers = layers.iter();
        layers.any(|layer| (layer.first()..layer.end()).contains(&segment))
    }

    /// Puts the ids of a sealed segment that no layer covers among those that are looked up.
    pub(crate) fn seal(&self, sealed: Sealed) {
        let layer = Layer::Memory(Arc::new(sealed));
        self.replace(|layers| {
            let place = layers.partition_point(|other| other.first() < layer.first());
            layers.insert(place, layer);
        });
    }

    /// How many sealed segments have no table yet.
    pub(crate) fn owed(&self) -> usize {
        let layers = self.layers();
        layers.iter().len() - layers.tables().count()
    }

    /// Makes tables of all sealed segments that have none, the oldest first.
    ///
    /// # Errors
    ///
    /// When one could not be made, or was to stop: its ids and those of the others stay in memory,
    /// and it may be tried again.
    pub(crate) fn make_owed(&self) -> Result<(), MakeError> {
        loop {
            let layers = self.layers();
            let owed = layers.iter().find_map(|layer| match layer {
                Layer::Memory(sealed) => Some(Arc::clone(sealed)),
                Layer::Table(_) => None,
            });
            let Some(sealed) = owed else { return Ok(()) };
            drop(layers);
            let first = sealed.segment;
            let table = self.build(first, &sealed.ids)?;
            self.replace(|layers| {
                let place = layers.partition_point(|layer| layer.first() < first);
                layers[place] = Layer::Table(Arc::new(table));
            });
        }
    }

    /// Merges neighbours until there is nothing to merge, at this pace.
    ///
    /// # Errors
    ///
    /// When a merge could not be read or written, or was to stop. Nothing has changed by it then.
    pub(crate) fn merge_all(&self, pace: Pace) -> Result<(), MakeError> {
        loop {
            let _merging = self.merging.lock();
            let Some(merged) = self.next_merge() else {
                return Ok(());
            };
            let table = self.merge(&merged, pace)?;
            self.replace(|layers| {
                let first = table.coverage().first;
                let place = layers.partition_point(|layer| layer.first() < first);
                layers.splice(place..place + merged.len(), [Layer::Table(table)]);
            });
            self.remove_all(&merged)?;
        }
    }

    /// Makes tables anew, from the journal, in the place of one in which a page does not check.
    /// Whether there was one. Segments are read one after the other, and their tables merged as they
    /// come: few files are open at once, however many segments there are.
    ///
    /// # Errors
    ///
    /// When one could not be made, or was to stop. The damaged one stays in use then.
    pub(crate) fn make_damaged_anew(
        &self,
        ids_of: impl Fn(u64) -> Result<SegmentIds, MakeError>,
    ) -> Result<bool, MakeError> {
        let _merging = self.merging.lock();
        let layers = self.layers();
        let Some(damaged) = layers.tables().find(|table| table.is_damaged()) else {
            return Ok(false);
        };
        // One of the same segments has the damaged one's name: it takes its place there, too.
        let others = |made: &[Arc<Table>]| {
            let others = made.iter().filter(|table| table.name() != damaged.name());
            others.map(Arc::clone).collect::<Vec<_>>()
        };
        let mut made = Vec::new();
        if let Err(error) = self.make_anew(damaged.segments(), ids_of, &mut made) {
            // What there is of them would only take room.
            if let Err(left) = self.remove_all(&others(&made)) {
                tracing::warn!(
                    %left,
                    "tables that were begun anew could not be removed: {left}. The next start \
                     removes them"
                );
            }
            return Err(error);
        }
        let is_replaced = others(&made).len() < made.len();
        let first = damaged.coverage().first;
        self.replace(|layers| {
            let place = layers.partition_point(|layer| layer.first() < first);
            layers.splice(place..=place, made.into_iter().map(Layer::Table));
        });
        if !is_replaced {
            self.remove_all(std::slice::from_ref(damaged))?;
        }
        Ok(true)
    }

    /// Makes tables of these segments, the oldest first; those that are there when it fails are in
    /// `made`, too.
    fn make_anew(
        &self,
        segments: std::ops::Range<u64>,
        ids_of: impl Fn(u64) -> Result<SegmentIds, MakeError>,
        made: &mut Vec<Arc<Table>>,
    ) -> Result<(), MakeError> {
        for segment in segments {
            self.stop.check()?;
            let table = self.build(segment, &ids_of(segment)?)?;
            made.push(Arc::new(table));
            while let Some(neighbours) = neighbours_to_merge(made) {
                let merged = self.merge(&made[neighbours.clone()], Pace::default())?;
                let parts: Vec<_> = made.splice(neighbours, [merged]).collect();
                self.remove_all(&parts)?;
            }
        }
        Ok(())
    }

    fn merge(&self, tables: &[Arc<Table>], pace: Pace) -> Result<Arc<Table>, MakeError> {
        let made = merge(&*self.storage, tables, &self.stop, pace);
        Ok(Arc::new(or_remove(&*self.storage, MERGE_PARTIAL, made)?))
    }

    fn remove_all(&self, tables: &[Arc<Table>]) -> io::Result<()> {
        for table in tables {
            self.storage.remove(table.name())?;
        }
        self.storage.sync_directory()
    }

    /// Whether a page was met that does not check.
    pub(crate) fn is_damaged(&self) -> bool {
        self.layers().tables().any(|table| table.is_damaged())
    }

    /// How many tables there are, and what they take in memory, in bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        let layers = self.layers();
        let memory_bytes = layers.tables().map(|table| table.memory_bytes()).sum();
        (layers.tables().count(), memory_bytes)
    }

    fn next_merge(&self) -> Option<Vec<Arc<Table>>> {
        let layers = self.layers();
        // Those behind a segment that has no table yet are its neighbours no more.
        let tables = layers.iter().map_while(Layer::table).map(Arc::clone);
        let mut tables: Vec<_> = tables.collect();
        let neighbours = neighbours_to_merge(&tables)?;
        Some(tables.drain(neighbours).collect())
    }

    fn replace(&self, change: impl FnOnce(&mut Vec<Layer>)) {
        let mut layers = self.layers.lock();
        let mut changed = layers.iter().cloned().collect();
        change(&mut changed);
        *layers = Layers::new(changed);
        self.version.fetch_add(1, Ordering::Release);
    }

    fn build(&self, first: u64, ids: &SegmentIds) -> Result<Table, MakeError> {
        let end = self.start_of(first + 1)?;
        let coverage = Coverage { first, end };
        let entries_count = ids.len() as u64;
        let lists = ids.sorted(Space::Lists);
        let different = lists.chunk_by(|one, next| list_of(one.0) == list_of(next.0));
        let keys_count = entries_count - lists.len() as u64 + different.count() as u64;
        let write = || {
            let (storage, stop) = (&*self.storage, &self.stop);
            let mut writer =
                TableWriter::begin(storage, stop, PARTIAL, coverage, entries_count, keys_count)?;
            for space in Space::IDS {
                for (id, address) in ids.sorted(space) {
                    writer.push(space, id, address)?;
                }
            }
            for (place, address) in lists {
                writer.push(Space::Lists, place, address)?;
            }
            writer.finish()
        };
        Ok(or_remove(&*self.storage, PARTIAL, write())?)
    }

    fn start_of(&self, segment: u64) -> io::Result<SegmentStart> {
        let start = read_segment_start(&*self.storage, segment)?;
        start.ok_or_else(|| io::Error::other(format!("segment {segment} has no whole header")))
    }
}

fn neighbours_to_merge(tables: &[Arc<Table>]) -> Option<std::ops::Range<usize>> {
    let covered = tables.iter().map(|table| table.coverage().segments());
    next_merge(&covered.collect::<Vec<_>>())
}

/// All tables whose footers are of this journal, the first segment's first, and the names of the others. Changes
/// nothing.
///
/// # Errors
///
/// When the storage cannot list or read.
pub(crate) fn tables_of_journal<S: Storage>(
    storage: &S,
) -> io::Result<(Vec<UnreadTable>, Vec<String>)> {
    let (mut tables, mut others) = (Vec::new(), Vec::new());
    for name in storage.list()? {
        let Some((_, end)) = covered(KIND, &name) else {
            continue;
        };
        match unread(storage, &name, end) {
            Ok(Some(table)) => tables.push(table),
            Ok(None) => others.push(name),
            // A running ledger has merged it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    tables.sort_by_key(|table| table.segments().start);
    Ok((tables, others))
}

/// The table of this name, if it is whole and belongs to the journal as it is.
fn belonging<S: Storage>(storage: &S, name: &str, end: u64) -> io::Result<Option<Table>> {
    match unread(storage, name, end)? {
        Some(table) => table.read(true),
        None => Ok(None),
    }
}

/// Likewise, with the footer alone.
fn unread<S: Storage>(storage: &S, name: &str, end: u64) -> io::Result<Option<UnreadTable>> {
    let Some(table) = UnreadTable::open(storage, name)? else {
        return Ok(None);
    };
    let end = read_segment_start(storage, end)?;
    Ok((end.as_ref() == Some(table.end())).then_some(table))
}
