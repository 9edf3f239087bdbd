//! The embedded engine as the conformance suite drives it.

use std::sync::Arc;

use engine_embedded::{EmbeddedEngine, EmbeddedOptions};
use journal::Storage;
use ledger::{BoxFuture, Engine};
use testkit::ManualClock;
use testkit::conformance::{Subject, Time};

/// An engine that can be closed and opened again. `reopen` makes the storage anew.
pub(crate) struct EmbeddedSubject<S: Storage, F> {
    clock: Arc<ManualClock>,
    options: EmbeddedOptions,
    reopen: F,
    engine: Option<Arc<EmbeddedEngine<S>>>,
}

impl<S: Storage, F: Fn() -> S> EmbeddedSubject<S, F> {
    pub(crate) fn open(options: EmbeddedOptions, reopen: F) -> Self {
        let clock = Arc::new(ManualClock::default());
        let mut subject = Self {
            clock,
            options,
            reopen,
            engine: None,
        };
        subject.start();
        subject
    }

    fn start(&mut self) {
        let options = self.options.clone();
        let opened = EmbeddedEngine::open((self.reopen)(), options, self.clock.clone());
        self.engine = Some(Arc::new(opened.unwrap().0));
    }
}

impl<S: Storage, F: Fn() -> S + Send> Subject for EmbeddedSubject<S, F> {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone().unwrap()
    }

    fn time(&self) -> Time {
        Time::Manual(self.clock.clone())
    }

    fn restart(&mut self) -> BoxFuture<'_, bool> {
        let engine = self.engine.take();
        assert_eq!(
            engine.as_ref().map(Arc::strong_count),
            Some(1),
            "somebody holds the engine"
        );
        drop(engine);
        self.start();
        Box::pin(async { true })
    }
}
