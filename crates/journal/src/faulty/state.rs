//! The double's directory: names, operations, and the faults to come.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::content::Content;
use super::names::{NameChange, Names};
use super::operation::{Operation, OperationKind};
use super::random::Random;

/// Everything behind a `FaultyStorage`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) seed: u64,
    pub(super) log: Vec<Operation>,
    pub(super) stop_after: Option<u64>,
    pub(super) fail: BTreeSet<u64>,
    pub(super) misdirect: BTreeSet<u64>,
    pub(super) capacity: Option<u64>,
    pub(super) is_short: bool,
    pub(super) locked: bool,
    random: Random,
    dead: bool,
    files: BTreeMap<u64, Content>,
    names: Names,
    durable_names: Names,
    pending_names: Vec<NameChange>,
    next_id: u64,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            log: Vec::new(),
            stop_after: None,
            fail: BTreeSet::new(),
            misdirect: BTreeSet::new(),
            capacity: None,
            is_short: false,
            locked: false,
            random: Random::new(seed),
            dead: false,
            files: BTreeMap::new(),
            names: Names::new(),
            durable_names: Names::new(),
            pending_names: Vec::new(),
            next_id: 0,
        }
    }

    pub(super) fn operations(&self) -> u64 {
        self.log.len() as u64
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.dead
            || self
                .stop_after
                .is_some_and(|number| self.operations() >= number)
    }

    fn alive(&self) -> io::Result<()> {
        if self.is_stopped() {
            Err(io::Error::other("the machine has stopped"))
        } else {
            Ok(())
        }
    }

    fn enough(&self) -> io::Result<()> {
        if self.is_short {
            let errno = rustix::io::Errno::MFILE;
            Err(io::Error::from_raw_os_error(errno.raw_os_error()))
        } else {
            Ok(())
        }
    }

    /// Counts an operation; answers whether it is to fail.
    fn count(
        &mut self,
        kind: OperationKind,
        file: &str,
        offset: u64,
        bytes: usize,
    ) -> io::Result<bool> {
        self.alive()?;
        self.log.push(Operation {
            kind,
            file: file.to_owned(),
            offset,
            bytes,
        });
        let number = self.operations();
        Ok(self.fail.remove(&number))
    }

    /// A state with the same faults to come from chance, and no others.
    fn successor(&mut self) -> Self {
        self.dead = true;
        let mut next = Self::new(self.seed);
        next.random = Random::new(self.random.draw());
        next.capacity = self.capacity;
        next.next_id = self.next_id;
        next
    }

    pub(super) fn crash(&mut self) -> Self {
        let mut next = self.successor();
        let mut names = self.durable_names.clone();
        // File systems keep such changes in order; POSIX does not promise it.
        let in_order = next.random.coin();
        let kept = next.random.below(self.pending_names.len() + 1);
        for (index, change) in self.pending_names.iter().enumerate() {
            if if in_order {
                index < kept
            } else {
                next.random.coin()
            } {
                change.apply(&mut names);
            }
        }
        for id in names.values() {
            next.files
                .insert(*id, self.files[id].crash(&mut next.random));
        }
        next.durable_names.clone_from(&names);
        next.names = names;
        next
    }

    pub(super) fn kill(&mut self) -> Self {
        let mut next = self.successor();
        next.files.clone_from(&self.files);
        next.names.clone_from(&self.names);
        next.durable_names.clone_from(&self.durable_names);
        next.pending_names.clone_from(&self.pending_names);
        next
    }

    pub(super) fn copy(&self) -> Self {
        let mut next = Self::new(self.seed);
        next.random = self.random.clone();
        next.capacity = self.capacity;
        next.next_id = self.next_id;
        next.names.clone_from(&self.names);
        next.durable_names.clone_from(&self.names);
        next.files = self
            .names
            .values()
            .map(|id| (*id, self.files[id].settled()))
            .collect();
        next
    }

    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.files[self.names.get(name)?].now.clone())
    }

    pub(super) fn alter(&mut self, name: &str, change: &dyn Fn(&mut Vec<u8>)) {
        let id = self.names[name];
        if let Some(content) = self.files.get_mut(&id) {
            content.alter(change);
        }
    }

    pub(super) fn list(&self) -> io::Result<Vec<String>> {
        self.alive()?;
        self.enough()?;
        Ok(self.names.keys().cloned().collect())
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<u64> {
        self.enough()?;
        if self.count(OperationKind::Create, name, 0, 0)? {
            return Err(failed());
        }
        if self.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = self.next_id;
        self.next_id += 1;
        self.files.insert(id, Content::default());
        self.change_names(NameChange::Create(name.to_owned(), id));
        Ok(id)
    }

    pub(super) fn open(&self, name: &str) -> io::Result<u64> {
        self.alive()?;
        self.enough()?;
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        if self.count(OperationKind::Rename, from, 0, 0)? {
            return Err(failed());
        }
        let id = self.open_id(from)?;
        self.change_names(NameChange::Rename(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        if self.count(OperationKind::Remove, name, 0, 0)? {
            return Err(failed());
        }
        let id = self.open_id(name)?;
        self.change_names(NameChange::Remove(name.to_owned(), id));
        Ok(())
    }

    pub(super) fn sync_directory(&mut self) -> io::Result<()> {
        if self.count(OperationKind::SyncDirectory, "", 0, 0)? {
            return Err(failed());
        }
        for change in self.pending_names.drain(..) {
            change.apply(&mut self.durable_names);
        }
        Ok(())
    }

    pub(super) fn draw_id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.random.draw().to_le_bytes());
        id[8..].copy_from_slice(&self.random.draw().to_le_bytes());
        id
    }

    pub(super) fn read(&self, id: u64, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.alive()?;
        Ok(self.files[&id].read(buffer, offset))
    }

    pub(super) fn size(&self, id: u64) -> io::Result<u64> {
        self.alive()?;
        Ok(self.files[&id].now.len() as u64)
    }

    /// Some file systems can set space aside, some cannot: drawn each time.
    pub(super) fn reserve(&mut self, id: u64, bytes: u64) -> io::Result<()> {
        self.alive()?;
        let growth = bytes.saturating_sub(self.size(id)?);
        if growth > self.room() && self.random.coin() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn write(&mut self, id: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        let name = self.name_of(id);
        let fails = self.count(OperationKind::Write, &name, offset, bytes.len())?;
        let mut offset = usize::try_from(offset).map_err(io::Error::other)?;
        let mut id = id;
        if self.misdirect.remove(&self.operations()) {
            (id, offset) = self.elsewhere(id, offset);
        }
        let length = self.files[&id].now.len();
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
        let fitting = length
            .saturating_add(room)
            .saturating_sub(offset)
            .min(bytes.len());
        let Some(content) = self.files.get_mut(&id) else {
            return Err(failed());
        };
        if fails {
            content.write_in_part(&bytes[..fitting], offset, &mut self.random);
            return Err(failed());
        }
        content.write(&bytes[..fitting], offset);
        if fitting < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, id: u64) -> io::Result<()> {
        let name = self.name_of(id);
        let fails = self.count(OperationKind::Sync, &name, 0, 0)?;
        let Some(content) = self.files.get_mut(&id) else {
            return Err(failed());
        };
        if fails {
            content.fail_sync();
            return Err(failed());
        }
        content.sync();
        Ok(())
    }

    /// Bytes that files may still grow by.
    fn room(&self) -> u64 {
        let Some(capacity) = self.capacity else {
            return u64::MAX / 2;
        };
        let used: usize = self.names.values().map(|id| self.files[id].now.len()).sum();
        capacity.saturating_sub(used as u64)
    }

    fn open_id(&self, name: &str) -> io::Result<u64> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn name_of(&self, id: u64) -> String {
        let found = self.names.iter().find(|(_, named)| **named == id);
        found.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// Another place for a write: mostly in the same file, else in any.
    fn elsewhere(&mut self, id: u64, offset: usize) -> (u64, usize) {
        let ids: Vec<u64> = self.names.values().copied().collect();
        let other = if self.random.below(4) > 0 {
            id
        } else {
            ids[self.random.below(ids.len())]
        };
        let length = self.files[&other].now.len().max(1);
        let mut elsewhere = self.random.below(length);
        if (other, elsewhere) == (id, offset) {
            elsewhere += 1;
        }
        (other, elsewhere)
    }
}

fn failed() -> io::Error {
    io::Error::other("input/output error")
}
