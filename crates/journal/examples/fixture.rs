//! Writes a journal of the current format to a new directory, to be kept as a fixture.

use std::convert::Infallible;
use std::error::Error;
use std::fs;

use journal::{FileStorage, Journal};

#[path = "../tests/it/fixture_records.rs"]
mod fixture_records;

use fixture_records::{FRAMES, options, records_of};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: fixture <new directory>")?;
    fs::create_dir(&path)?;
    let nothing = |_: journal::Visited<'_>| Ok::<(), Infallible>(());
    let (mut journal, _) = Journal::open(FileStorage::open(&path)?, options(), nothing)?;
    for frame in 0..FRAMES {
        let records = records_of(frame);
        journal.begin(records.iter().map(Vec::len).sum(), records.len())?;
        for record in records {
            journal.push(|buffer| buffer.extend_from_slice(&record));
        }
        journal.commit(1000 + frame)?;
    }
    println!("head {}", journal.head().hash);
    drop(journal);
    // Only the segments are the journal.
    for name in ["spare", "spare.partial", "lock"] {
        let _ = fs::remove_file(format!("{path}/{name}"));
    }
    Ok(())
}
