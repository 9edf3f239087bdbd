//! An app that is listened for before there is a ledger to answer from.
//!
//! A ledger that takes a while to open would look dead until it is open. So its faces listen from
//! the first moment: probes are answered, every other request is refused with `opening`, and once the
//! app is there the same connections are answered from it.

use std::sync::{Arc, OnceLock};

use crate::app::App;
use crate::health::{Health, Readiness};
use crate::hosts::Hosts;
use crate::keys::Keys;
use crate::limits::Limits;

/// An app that is given to faces now and opened later.
#[derive(Clone)]
pub struct LateApp(Arc<Late>);

struct Late {
    app: OnceLock<App>,
    health: Arc<LateHealth>,
    limits: Limits,
    hosts: Hosts,
    keys: Keys,
}

/// Apart from the app: who only asks for the health does not keep the engine open.
struct LateHealth {
    opening: Arc<dyn Health>,
    open: OnceLock<Arc<dyn Health>>,
}

impl LateApp {
    /// An app that is not open yet. Until it is, `/readyz` answers what `opening` reports.
    #[must_use]
    pub fn opening(opening: Arc<dyn Health>, limits: Limits, hosts: Hosts, keys: Keys) -> Self {
        let health = Arc::new(LateHealth {
            opening,
            open: OnceLock::new(),
        });
        Self(Arc::new(Late {
            app: OnceLock::new(),
            health,
            limits,
            hosts,
            keys,
        }))
    }

    /// Answers from this app from now on. The limits, the hosts and the keys stay those of the beginning.
    pub fn open(&self, app: App) {
        let health = Arc::clone(&app.health);
        let is_first = self.0.app.set(app).is_ok();
        stdx::invariant!(is_first, "an app is opened once");
        // Only now: what is reported to be ready is answered.
        let is_first = self.0.health.open.set(health).is_ok();
        stdx::invariant!(is_first, "an app is opened once");
    }

    /// What `/readyz` says, before the opening and after it.
    #[must_use]
    pub fn health(&self) -> Arc<dyn Health> {
        Arc::clone(&self.0.health) as Arc<dyn Health>
    }

    /// The app, once it is open.
    pub(crate) fn app(&self) -> Option<&App> {
        self.0.app.get()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }
}

impl From<App> for LateApp {
    fn from(app: App) -> Self {
        let (hosts, keys) = (app.hosts.clone(), app.keys.clone());
        let late = Self::opening(Arc::clone(&app.health), app.limits, hosts, keys);
        late.open(app);
        late
    }
}

impl Health for LateHealth {
    fn readiness(&self) -> Readiness {
        self.open.get().unwrap_or(&self.opening).readiness()
    }
}
