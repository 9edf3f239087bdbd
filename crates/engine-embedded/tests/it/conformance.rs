//! The same outcomes as the reference engine, restarts included.

use engine_embedded::Options;
use journal::FileStorage;
use testkit::conformance;

use crate::subject::EmbeddedSubject;

#[test]
fn the_embedded_engine_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::check(&conformance::Options::default(), 3, async |seed| {
        let path = folder.path().join(seed.to_string());
        EmbeddedSubject::open(Options::default(), move || {
            FileStorage::open(&path).unwrap()
        })
    });
}
