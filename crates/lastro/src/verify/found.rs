//! What is printed of a head that was kept elsewhere.

use engine_embedded::Expected;

use crate::kept_head::KeptHead;

pub(super) fn print(kept: KeptHead, found: Expected) {
    let sequence = kept.sequence;
    match found {
        Expected::Met => println!("the chain goes through {kept}"),
        Expected::Other(hash) => println!(
            "NOT THE SAME LEDGER: frame {sequence} has the hash {hash}, and the head that was kept has \
             {}. What was recorded up to that frame was changed, or the ledger went on from an \
             earlier moment. Restore a backup that has the kept head",
            kept.hash
        ),
        Expected::Beyond => println!(
            "FRAMES ARE MISSING: the chain ends before frame {sequence}, which was kept as a head. \
             Restore a backup that has it"
        ),
    }
}
