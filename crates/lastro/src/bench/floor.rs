//! The disk's own floor: frames of the same sizes into the same kind of storage, by one thread
//! with no ledger at all.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use journal::{Durability, FileStorage, Storage, StorageFile};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

const FILE_BYTES: u64 = 64 << 20;

pub(super) struct Floor {
    pub(super) elapsed: Duration,
    /// How long a frame took, in nanoseconds.
    pub(super) latency_ns: Histogram<u64>,
}

/// Writes and syncs frames of these sizes. Files are zero-filled and synced outside the measured
/// time, as the journal's helper does it beside its writer.
pub(super) fn measure(
    place: &Path,
    frames: &[u64],
    durability: Durability,
) -> anyhow::Result<Floor> {
    let storage =
        FileStorage::open(place).with_context(|| format!("cannot open {}", place.display()))?;
    let largest = usize::try_from(frames.iter().copied().max().unwrap_or(0))?;
    let mut bytes = vec![0; largest];
    SmallRng::seed_from_u64(0).fill_bytes(&mut bytes);
    let mut floor = Floor {
        elapsed: Duration::ZERO,
        latency_ns: Histogram::new_with_max(60_000_000_000, 3)?,
    };
    let mut file = prepare(&storage, 0)?;
    let (mut number, mut offset) = (0, 0);
    for frame in frames {
        if offset + frame > FILE_BYTES {
            number += 1;
            file = prepare(&storage, number)?;
            offset = 0;
        }
        let started = Instant::now();
        file.write_at(&bytes[..usize::try_from(*frame)?], offset)?;
        if durability == Durability::Disk {
            file.sync()?;
        }
        let elapsed = started.elapsed();
        floor.elapsed += elapsed;
        floor
            .latency_ns
            .saturating_record(u64::try_from(elapsed.as_nanos())?);
        offset += frame;
    }
    Ok(floor)
}

fn prepare(storage: &FileStorage, number: u64) -> anyhow::Result<<FileStorage as Storage>::File> {
    let file = storage.create(&format!("{number:08}.floor"))?;
    let zeros = vec![0; 1 << 20];
    for at in 0..FILE_BYTES >> 20 {
        file.write_at(&zeros, at << 20)?;
    }
    file.sync()?;
    storage.sync_directory()?;
    Ok(file)
}
