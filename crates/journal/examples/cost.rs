//! What a frame of 1,000 records of 130 bytes costs here: `cost <directory> [frames]`.

use std::convert::Infallible;
use std::error::Error;
use std::time::Instant;

use journal::{Durability, FileStorage, Journal, JournalOptions};

const RECORDS: usize = 1000;
const PAYLOAD: [u8; 130] = [0x5A; 130];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: cost <directory> [frames]")?;
    let frames: u64 = arguments.next().map_or(Ok(3000), |text| text.parse())?;
    for durability in [Durability::Disk, Durability::Os] {
        let directory = format!("{path}/cost-{durability}");
        measure(&directory, durability, frames)?;
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(())
}

fn measure(path: &str, durability: Durability, frames: u64) -> Result<(), Box<dyn Error>> {
    let options = JournalOptions {
        durability,
        ..JournalOptions::default()
    };
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    let (mut journal, _) = Journal::open(FileStorage::open(path)?, options.clone(), nothing)?;
    let (mut begin_ns, mut push_ns) = (0, 0);
    let mut commits_ns = Vec::new();
    for frame in 0..frames {
        let start = Instant::now();
        journal.begin(RECORDS * PAYLOAD.len(), RECORDS)?;
        begin_ns += start.elapsed().as_nanos();
        let start = Instant::now();
        for _ in 0..RECORDS {
            journal.push(|buffer| buffer.extend_from_slice(&PAYLOAD));
        }
        push_ns += start.elapsed().as_nanos();
        let start = Instant::now();
        journal.commit(frame)?;
        commits_ns.push(start.elapsed().as_nanos());
    }
    drop(journal);
    let commit_ns: u128 = commits_ns.iter().sum();
    commits_ns.sort_unstable();
    let all = u128::from(frames) * RECORDS as u128;
    let start = Instant::now();
    Journal::open(FileStorage::open(path)?, options, nothing)?;
    println!(
        "{durability}: push {} ns per record; commit median {} µs, 99% {} µs per frame; begin {} \
         µs per frame; {} records/s; reopening {} records/s",
        push_ns / all,
        commits_ns[commits_ns.len() / 2] / 1000,
        commits_ns[commits_ns.len() * 99 / 100] / 1000,
        begin_ns / u128::from(frames) / 1000,
        all * 1_000_000_000 / (begin_ns + push_ns + commit_ns),
        all * 1_000_000_000 / start.elapsed().as_nanos(),
    );
    Ok(())
}
