//! How much memory this process may use, and who may have how much of it: what waits, and what was not taken yet.
//!
//! What callers may occupy together is a part of what there is: each of five rooms has a thirty-second part, and
//! connections a quarter. What is decoded takes about three times what arrived. The rest is the ledger's (accounts,
//! filters, ids of the newest segments) and the system's, for the pages of its files. With 8 GiB and more every room has its usual size.

use std::fs;
use std::path::Path;

/// A room has this part of the memory.
const ROOM_PART: u64 = 32;
/// Connections have this part together.
const CONNECTIONS_PART: u64 = 4;
/// What a connection may take without a place in a room: the head of a request, a small body, a small answer,
/// and what belongs to the connection itself.
const CONNECTION_BYTES: u64 = 32 << 10;
/// The largest batch has to fit.
const ROOM_BYTES_MIN: u64 = 4 << 20;
/// With less a ledger in files is not safe from the kernel's killer.
const LEDGER_BYTES: u64 = 256 << 20;
/// With fewer connections than these nothing can be served well.
const CONNECTIONS_MIN: u64 = 32;

/// What may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    bytes: u64,
}

impl Memory {
    /// What this machine has, or the control group of this process may use, if that is less.
    pub(super) fn of_process() -> Self {
        let read = |path: &Path| fs::read_to_string(path).ok();
        Self::read(&read)
    }

    fn read(read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let of_machine = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
        let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
        let of_groups = groups.lines().flat_map(|line| limits(line, read));
        let bytes = of_machine.into_iter().chain(of_groups).min();
        Self {
            // A system that says nothing of its memory bounds nothing.
            bytes: bytes.unwrap_or(u64::MAX),
        }
    }

    pub(super) const fn bytes(self) -> u64 {
        self.bytes
    }

    /// Whether a ledger in files may need more than there is: what it keeps of its newest segments, and of the
    /// tables that it makes of them, takes about 160 MB whatever callers may occupy.
    pub(super) const fn is_little_for_a_ledger(self) -> bool {
        self.bytes < LEDGER_BYTES
    }

    /// The size of a room that is usually so large.
    pub(super) fn room(self, usual: usize) -> usize {
        let part = (self.bytes / ROOM_PART).max(ROOM_BYTES_MIN);
        usize::try_from(part).unwrap_or(usize::MAX).min(usual)
    }

    /// How many connections there may be of those that are planned.
    pub(super) fn connections(self, planned: usize) -> usize {
        let part = self.bytes / CONNECTIONS_PART / CONNECTION_BYTES;
        let part = part.max(CONNECTIONS_MIN);
        usize::try_from(part).unwrap_or(usize::MAX).min(planned)
    }
}

/// What a machine has: `MemTotal:  2030880 kB`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// The limits of the group in a line of `/proc/self/cgroup`, and of those above it: `4:memory:/a/b` is a group of
/// version 1, `0::/a/b` one of version 2. Inside of a container its own path may not be there: then the root is it.
fn limits(line: &str, read: &dyn Fn(&Path) -> Option<String>) -> Vec<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
        return Vec::new();
    };
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return Vec::new(),
    };
    let below = Path::new(path.trim_start_matches('/'));
    let groups = below.ancestors().map(|group| Path::new(root).join(group));
    // One without a limit says `max`, or a number beyond any memory.
    let texts = groups.filter_map(|group| read(&group.join(file)));
    texts.filter_map(|text| text.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: u64) {
        let read = |path: &Path| {
            let mut found = files.iter().filter(|(name, _)| Path::new(name) == path);
            found.next().map(|(_, text)| (*text).to_owned())
        };
        assert_eq!(Memory::read(&read).bytes, expected, "{files:?}");
    }

    #[test]
    fn the_least_of_the_limits_counts() {
        let machine = ("/proc/meminfo", "MemFree: 1 kB\nMemTotal:  2097152 kB\n");
        check(&[], u64::MAX);
        check(&[machine], 2048 * MIB);
        let version_2 = ("/proc/self/cgroup", "0::/a/b\n");
        let unlimited = ("/sys/fs/cgroup/a/b/memory.max", "max\n");
        let above = ("/sys/fs/cgroup/a/memory.max", "134217728\n");
        check(&[machine, version_2, unlimited], 2048 * MIB);
        check(&[machine, version_2, unlimited, above], 128 * MIB);
        let version_1 = ("/proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/1\n");
        let of_container = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
        check(&[machine, version_1, of_container], 256 * MIB);
        let beyond = (
            "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        check(&[machine, version_1, beyond], 2048 * MIB);
    }

    #[test]
    fn rooms_and_connections_follow_the_memory() {
        let usual = 64 << 20;
        for (mib, room, connections) in [
            (16, 4 << 20, 128),
            (256, 8 << 20, 2_048),
            (512, 16 << 20, 4_096),
            (2_048, usual, 16_384),
            (u64::MAX >> 20, usual, 16_384),
        ] {
            let memory = Memory { bytes: mib * MIB };
            assert_eq!(memory.room(usual), room, "{mib}");
            assert_eq!(memory.connections(16_384), connections, "{mib}");
        }
    }
}
