//! The suite is tested itself: engines with a bug planted must fail, the one without must not.

use super::{Options, ReferenceSubject, check};

#[test]
fn the_reference_agrees_with_itself() {
    check(&Options::default(), 3, async |_| {
        ReferenceSubject::default()
    });
}
