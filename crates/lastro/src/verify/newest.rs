//! Whether a ledger's newest record is in the future.

use ledger::{Clock, Timestamp};

use crate::clock::{self, SystemClock};

/// Whether it is not; prints what to do if it is.
pub(super) fn is_past(newest: Timestamp) -> bool {
    let Some(ahead) = clock::ahead(newest, SystemClock.now()) else {
        return true;
    };
    println!(
        "TIMES IN THE FUTURE: the newest record is {} s later than this machine's clock. New records \
         continue from that time, and holds expire by it. Find out which clock was wrong. If it was \
         the ledger's, restore a copy of the ledger from before",
        ahead.as_secs()
    );
    false
}
