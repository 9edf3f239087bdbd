//! What is logged by the thread of a test.
//!
//! One subscriber keeps what all threads log. One for each thread would miss some of it: what another
//! test logged first from the same place, without a subscriber, stays switched off.

use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};

use parking_lot::Mutex;
use tracing::callsite::rebuild_interest_cache;
use tracing::field::{Field, Visit};
use tracing::span::{self, Attributes};

/// The messages of this test's thread. The test runs in a runtime of one thread, and each test has a
/// thread of its own.
pub(crate) struct Log(Kept);

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(ThreadId, String)>>>);

impl Log {
    /// Keeps what is logged from here on.
    pub(crate) fn keep() -> Self {
        static KEPT: OnceLock<Kept> = OnceLock::new();
        let kept = KEPT.get_or_init(|| {
            let kept = Kept::default();
            tracing::subscriber::set_global_default(kept.clone()).unwrap();
            rebuild_interest_cache();
            kept
        });
        Self(kept.clone())
    }

    /// Whether a message has this text in it.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.count(text) > 0
    }

    /// How many messages have this text in them.
    pub(crate) fn count(&self, text: &str) -> usize {
        let own = thread::current().id();
        let kept = self.0.0.lock();
        let is_one = |kept: &&(ThreadId, String)| kept.0 == own && kept.1.contains(text);
        kept.iter().filter(is_one).count()
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Kept {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let thread = thread::current().id();
        self.0.lock().push((thread, message.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
