//! The sum tables there are, on disk and for readers.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::{SegmentStart, Storage, is_shortage, read_segment_start};
use ledger::Millis;
use parking_lot::Mutex;

use super::Recent;
use super::build::SumTableWriter;
use super::layers::{SealedSums, SumLayer, SumLayers};
use super::layout::{KIND, MERGE_PARTIAL, PARTIAL};
use super::merge::merge;
use super::table::SumTable;
use crate::beside::{
    Coverage, Pace, Stop, covered, file_name, next_merge, or_remove, remove_if_there,
};
use crate::ids::MakeError;

/// All sum tables of a ledger, and the sums of sealed segments that have none yet.
pub(crate) struct SumTables<S: Storage> {
    storage: Arc<S>,
    layers: Mutex<SumLayers>,
    /// Grows with every change of `layers`.
    version: AtomicU64,
    /// Held by the thread that makes one table out of others.
    merging: Mutex<()>,
    /// The files of tables that a purge has forgotten.
    forgotten: Mutex<Vec<String>>,
    stop: Stop,
}

impl<S: Storage> SumTables<S> {
    /// Opens the tables that belong to the journal. Returns the names of the other ones, too: what a crash
    /// left behind (unfinished ones, and those that are part of a larger one), and those that are not whole or
    /// not of this journal. They can be removed once the journal is open. Nothing is made once `stop` is asked.
    ///
    /// # Errors
    ///
    /// When the storage cannot list files, or has no descriptor to open one with.
    pub(crate) fn open(storage: &Arc<S>, stop: Stop) -> io::Result<(Self, Vec<String>)> {
        let names = storage.list()?;
        let is_partial = |name: &&String| [PARTIAL, MERGE_PARTIAL].contains(&name.as_str());
        let mut useless: Vec<String> = names.iter().filter(is_partial).cloned().collect();
        let found = names.iter().filter_map(|name| covered(KIND, name));
        let mut found: Vec<_> = found.collect();
        // The one that covers most first.
        found.sort_unstable_by_key(|(first, end)| (*first, std::cmp::Reverse(*end)));
        let mut layers: Vec<SumLayer> = Vec::new();
        for (first, end) in found {
            let name = file_name(KIND, first, end);
            if layers.last().is_some_and(|layer| first < layer.end()) {
                useless.push(name);
                continue;
            }
            match belonging(&**storage, &name, end) {
                Ok(Some(table)) => layers.push(SumLayer::Table(Arc::new(table))),
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
        let layers = SumLayers {
            layers: layers.into(),
            ..SumLayers::default()
        };
        let tables = Self {
            storage: Arc::clone(storage),
            layers: Mutex::new(layers),
            version: AtomicU64::new(0),
            merging: Mutex::new(()),
            forgotten: Mutex::default(),
            stop,
        };
        Ok((tables, useless))
    }

    /// Once it is asked, nothing is made or merged any more.
    pub(crate) const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Whether a table of this name is in use.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.layers().tables().any(|table| table.name() == name)
    }

    /// How many tables there are.
    pub(crate) fn count(&self) -> usize {
        self.layers().tables().count()
    }

    /// The sums as they are looked up now.
    pub(crate) fn layers(&self) -> SumLayers {
        self.layers.lock().clone()
    }

    /// Changes whenever the layers do.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The tables of these segments, from a snapshot, have all sums before it: others are for the segments
    /// behind it, or forgotten.
    pub(crate) fn begin(&self, segments: (u64, u64)) {
        self.forget(segments.0);
        self.change(|_, covered| covered.1 = segments.1);
    }

    /// All sums before this segment are these, and no table of them is used.
    pub(crate) fn begin_with(&self, segment: u64, sums: Recent) {
        self.forget(segment);
        if sums.is_empty() {
            return;
        }
        self.change(|layers, covered| {
            *covered = (0, segment);
            insert(layers, 0..segment, sums);
        });
    }

    /// The segments that have sums and are in no layer.
    pub(crate) fn missing(&self) -> Vec<u64> {
        let layers = self.layers();
        let (first, end) = layers.segments;
        (first..end)
            .filter(|segment| !layers.covers(*segment))
            .collect()
    }

    /// The sums of a segment that was missing. Where that is all there is to find in a row of missing
    /// ones, `is_last` says so: then they get a table even if nothing was settled there.
    pub(crate) fn seal_missing(&self, segment: u64, sums: Recent, is_last: bool) {
        if is_last || !sums.is_empty() {
            self.change(|layers, covered| {
                let before = layers.iter().rfind(|layer| layer.end() <= segment);
                let first = before.map_or(covered.0, SumLayer::end);
                insert(layers, first..segment + 1, sums);
            });
        }
    }

    /// Everything before this segment was purged.
    pub(crate) fn purge(&self, segment: u64) {
        if self.layers.lock().segments.0 != segment {
            self.forget(segment);
        }
    }

    fn forget(&self, segment: u64) {
        let mut forgotten = Vec::new();
        {
            let mut layers = self.layers.lock();
            let left = layers.purged(segment);
            let names = layers
                .tables()
                .map(|table| (table.coverage().first, table.name()));
            let before = names.filter(|(first, _)| *first < segment);
            forgotten.extend(before.map(|(_, name)| name.to_owned()));
            *layers = left;
            self.version.fetch_add(1, Ordering::Release);
        }
        self.forgotten.lock().append(&mut forgotten);
    }

    /// Puts the sums of a sealed segment among those that are looked up, unless a table has them.
    pub(crate) fn seal(&self, segment: u64, sums: Recent) {
        if self.layers().covers(segment) {
            self.change(|_, covered| covered.1 = covered.1.max(segment + 1));
        } else if !sums.is_empty() {
            self.change(|layers, covered| {
                // From the end of the segments with sums on: nothing was settled between.
                insert(layers, covered.1..segment + 1, sums);
                covered.1 = segment + 1;
            });
        }
    }

    /// How many layers have no table yet.
    pub(crate) fn owed(&self) -> usize {
        let layers = self.layers();
        layers.layers.len() - layers.tables().count()
    }

    /// Makes tables of all layers that have none, the oldest first, and removes what a purge has
    /// forgotten.
    ///
    /// # Errors
    ///
    /// When one could not be made, or was to stop: its sums and those of the others stay in memory,
    /// and it may be tried again.
    pub(crate) fn make_owed(&self) -> Result<(), MakeError> {
        self.remove_forgotten()?;
        loop {
            let layers = self.layers();
            let owed = layers.layers.iter().find_map(|layer| match layer {
                SumLayer::Memory(sealed) => Some(Arc::clone(sealed)),
                SumLayer::Table(_) => None,
            });
            let Some(sealed) = owed else { return Ok(()) };
            drop(layers);
            let table = Arc::new(self.build(sealed.first, sealed.end, &sealed.sums)?);
            self.put(&[SumLayer::Memory(sealed)], vec![table])?;
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
            let parts: Vec<_> = merged.iter().cloned().map(SumLayer::Table).collect();
            if self.put(&parts, vec![table])? {
                self.remove_all(merged.iter().map(|table| table.name()))?;
            }
        }
    }

    /// Makes tables anew, from the journal, in the place of one in which a page does not check. Whether there was
    /// one. Segments are read one after the other, and their tables merged as they come.
    ///
    /// # Errors
    ///
    /// When one could not be made, or was to stop. The damaged one stays in use then.
    pub(crate) fn make_damaged_anew(
        &self,
        sums_of: impl Fn(u64) -> Result<Recent, MakeError>,
    ) -> Result<bool, MakeError> {
        let _merging = self.merging.lock();
        let layers = self.layers();
        let Some(damaged) = layers.tables().find(|table| table.is_damaged()) else {
            return Ok(false);
        };
        let mut made = Vec::new();
        let all = self.make_anew(damaged.segments(), sums_of, &mut made);
        // One of the same segments has the damaged one's name: it takes its place there, too.
        let others = made.iter().filter(|table| table.name() != damaged.name());
        let others: Vec<_> = others.map(|table| table.name().to_owned()).collect();
        if let Err(error) = all {
            // What there is of them would only take room.
            if let Err(left) = self.remove_all(others.iter().map(String::as_str)) {
                tracing::warn!(
                    %left,
                    "tables that were begun anew could not be removed: {left}. The next start \
                     removes them"
                );
            }
            return Err(error);
        }
        let is_replaced = others.len() < made.len();
        let before = [SumLayer::Table(Arc::clone(damaged))];
        if self.put(&before, made)? && !is_replaced {
            self.remove_all([damaged.name()])?;
        }
        Ok(true)
    }

    /// Makes tables of these segments, the oldest first; those that are there when it fails are in
    /// `made`, too.
    fn make_anew(
        &self,
        segments: Range<u64>,
        sums_of: impl Fn(u64) -> Result<Recent, MakeError>,
        made: &mut Vec<Arc<SumTable>>,
    ) -> Result<(), MakeError> {
        let mut first = segments.start;
        for segment in segments.clone() {
            self.stop.check()?;
            let sums = sums_of(segment)?;
            if sums.is_empty() && segment + 1 < segments.end {
                continue;
            }
            made.push(Arc::new(self.build(first, segment + 1, &sums)?));
            first = segment + 1;
            while let Some(neighbours) = neighbours_to_merge(made) {
                let merged = self.merge(&made[neighbours.clone()], Pace::default())?;
                let parts: Vec<_> = made.splice(neighbours, [merged]).collect();
                self.remove_all(parts.iter().map(|table| table.name()))?;
            }
        }
        Ok(())
    }

    /// Puts tables in the place of what they were made of. If that is forgotten meanwhile, they are
    /// removed. Whether they were put there.
    pub(super) fn put(&self, before: &[SumLayer], made: Vec<Arc<SumTable>>) -> io::Result<bool> {
        let names: Vec<_> = made.iter().map(|table| table.name().to_owned()).collect();
        let is_put = self.change(|layers, _| {
            let Some(oldest) = before.first() else {
                return false;
            };
            let Some(place) = layers.iter().position(|layer| layer.is(oldest)) else {
                return false;
            };
            let tables = made.into_iter().map(SumLayer::Table);
            layers.splice(place..place + before.len(), tables);
            true
        });
        if !is_put {
            self.remove_all(names.iter().map(String::as_str))?;
        }
        Ok(is_put)
    }

    fn merge(&self, tables: &[Arc<SumTable>], pace: Pace) -> Result<Arc<SumTable>, MakeError> {
        let made = merge(&*self.storage, tables, &self.stop, pace);
        Ok(Arc::new(or_remove(&*self.storage, MERGE_PARTIAL, made)?))
    }

    fn remove_all<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        for name in names {
            remove_if_there(&*self.storage, name)?;
        }
        self.storage.sync_directory()
    }

    /// What a purge has forgotten is removed once, and by the next start where that fails.
    fn remove_forgotten(&self) -> io::Result<()> {
        let names = std::mem::take(&mut *self.forgotten.lock());
        if names.is_empty() {
            return Ok(());
        }
        self.remove_all(names.iter().map(String::as_str))
    }

    /// Whether a page was met that does not check.
    pub(crate) fn is_damaged(&self) -> bool {
        self.layers().tables().any(|table| table.is_damaged())
    }

    fn next_merge(&self) -> Option<Vec<Arc<SumTable>>> {
        let layers = self.layers();
        // Those behind sums that have no table yet are its neighbours no more.
        let tables = layers.layers.iter().map_while(SumLayer::table);
        let mut tables: Vec<_> = tables.map(Arc::clone).collect();
        let neighbours = neighbours_to_merge(&tables)?;
        Some(tables.drain(neighbours).collect())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<SumLayer>, &mut (u64, u64)) -> T) -> T {
        let mut layers = self.layers.lock();
        let mut changed = layers.layers.iter().cloned().collect();
        let mut segments = layers.segments;
        let result = change(&mut changed, &mut segments);
        *layers = SumLayers {
            segments,
            layers: changed.into(),
        };
        self.version.fetch_add(1, Ordering::Release);
        result
    }

    pub(super) fn build(&self, first: u64, end: u64, sums: &Recent) -> Result<SumTable, MakeError> {
        let end = self.start_of(end)?;
        let coverage = Coverage { first, end };
        let write = || {
            let (storage, stop) = (&*self.storage, &self.stop);
            let mut writer = SumTableWriter::begin(storage, stop, PARTIAL, coverage, sums.len())?;
            sums.each_millisecond(|processor, Millis(millis), sum| {
                writer.push(processor, millis, sum)
            })?;
            writer.finish()
        };
        Ok(or_remove(&*self.storage, PARTIAL, write())?)
    }

    fn start_of(&self, segment: u64) -> io::Result<SegmentStart> {
        let start = read_segment_start(&*self.storage, segment)?;
        start.ok_or_else(|| io::Error::other(format!("segment {segment} has no whole header")))
    }
}

/// Puts the sums of these segments among the layers.
fn insert(layers: &mut Vec<SumLayer>, segments: Range<u64>, sums: Recent) {
    let place = layers.partition_point(|layer| layer.first() < segments.start);
    let sealed = SealedSums {
        first: segments.start,
        end: segments.end,
        sums,
    };
    layers.insert(place, SumLayer::Memory(Arc::new(sealed)));
}

fn neighbours_to_merge(tables: &[Arc<SumTable>]) -> Option<Range<usize>> {
    let covered = tables.iter().map(|table| table.coverage().segments());
    next_merge(&covered.collect::<Vec<_>>())
}

/// All tables that are whole and of this journal, and the names of the others. Changes nothing.
///
/// # Errors
///
/// When the storage cannot list or read.
pub(crate) fn sum_tables_of_journal<S: Storage>(
    storage: &S,
) -> io::Result<(Vec<SumTable>, Vec<String>)> {
    let (mut tables, mut others) = (Vec::new(), Vec::new());
    for name in storage.list()? {
        let Some((_, end)) = covered(KIND, &name) else {
            continue;
        };
        match belonging(storage, &name, end) {
            Ok(Some(table)) => tables.push(table),
            Ok(None) => others.push(name),
            // A running ledger has merged it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok((tables, others))
}

/// The table of this name, if it is whole and belongs to the journal as it is.
fn belonging<S: Storage>(storage: &S, name: &str, end: u64) -> io::Result<Option<SumTable>> {
    let Some(table) = SumTable::open(storage, name)? else {
        return Ok(None);
    };
    let end = read_segment_start(storage, end)?;
    Ok((end.as_ref() == Some(&table.coverage().end)).then_some(table))
}
