//! Writes a data folder of the current record layout, and what is read from it, to a new
//! directory, to be kept as a fixture; or one with the tables and snapshots beside it.

#![expect(clippy::unwrap_used, reason = "made by hand, once for each layout")]

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use journal::FileStorage;
use ledger::Engine;
use testkit::ManualClock;

#[path = "../tests/it/golden.rs"]
mod golden;
#[path = "../tests/it/picture.rs"]
mod picture;
#[path = "../tests/it/script.rs"]
mod script;

use script::{
    Step, freeze_steps, notes_steps, part_steps, reason_steps, resolution_steps, reversal_steps,
    steps,
};

/// What is written: the steps, how the folder is opened, and whether what is beside the journal stays.
type Made = (Vec<Step>, EmbeddedOptions, bool);

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: records_fixture all|resolutions|notes|reversals|parts|freezes|reasons|beside <new directory>";
    let (steps, options, is_beside): Made = match std::env::args().nth(1).as_deref() {
        Some("all") => (steps(), golden::options(), false),
        Some("resolutions") => (resolution_steps(), golden::options(), false),
        Some("notes") => (notes_steps(), golden::options(), false),
        Some("reversals") => (reversal_steps(), golden::options(), false),
        Some("parts") => (part_steps(), golden::options(), false),
        Some("freezes") => (freeze_steps(), golden::options(), false),
        Some("reasons") => (reason_steps(), golden::options(), false),
        Some("beside") => (golden::beside_steps(), golden::beside_options(), true),
        _ => return Err(usage.into()),
    };
    let path = std::env::args().nth(2).ok_or(usage)?;
    fs::create_dir(&path)?;
    let clock = Arc::new(ManualClock::default());
    let storage = FileStorage::open(&path)?;
    let (engine, _) = EmbeddedEngine::open(storage, options.clone(), clock.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    for step in steps {
        match step {
            Step::Advance(by) => clock.advance_ns(by),
            Step::Submit(batches) => {
                let deadline = Instant::now() + Duration::from_secs(20);
                runtime.block_on(engine.submit(batches, deadline))?;
            }
        }
    }
    if !is_beside {
        let expected = picture::picture(&engine, &golden::ids());
        fs::write(format!("{path}/expected.txt"), expected)?;
    }
    drop(engine);
    // Only the segments are the journal.
    for name in ["spare", "spare.partial", "lock"] {
        let _ = fs::remove_file(format!("{path}/{name}"));
    }
    let storage = FileStorage::open_existing(&path)?;
    let verified = engine_embedded::verify(storage, options.journal, true)?;
    println!("head {}", verified.head.hash);
    Ok(())
}
