//! How the state is kept.

use std::time::Duration;

use stdx::ErrorChain;
use tokio::time::Instant;

use super::parts::{Endpoint, Run};
use crate::state;
use crate::store::Written;

impl Endpoint {
    /// Has the state written in this time at the latest.
    pub(super) fn save_within(&mut self, time: Duration) {
        let at = Instant::now() + time;
        let sooner = self.save.at.map_or(at, |before| before.min(at));
        self.save.at = Some(sooner);
    }

    pub(super) async fn save_if_due(&mut self) {
        if self.save.at.is_some_and(|at| at <= Instant::now()) {
            self.save_now().await;
        }
    }

    /// Writes the state; `false` if it could not be written.
    pub(super) async fn save_now(&mut self) -> bool {
        let Run::Going(queue) = &self.run else {
            self.save.at = None;
            return true;
        };
        let bytes = state::written(&queue.saved());
        let store = &self.around.store;
        let failure = match store.write(self.config.name.as_str(), bytes).await {
            Ok(Written::Done) => None,
            Ok(Written::ClaimLost) => {
                self.lose("another node".to_owned()).await;
                return false;
            }
            Err(error) => Some(ErrorChain(&error).to_string()),
        };
        let name = &self.config.name;
        match failure {
            None => {
                if self.save.failure.take().is_some() {
                    tracing::info!(endpoint = %name, "the state of webhook endpoint {name} can be written again");
                }
                self.save.at = None;
                self.save.back_off.reset();
                true
            }
            Some(error) => {
                if let Some(held_back) = self.save.failing.pass() {
                    tracing::error!(
                        endpoint = %name, error, held_back,
                        "CANNOT WRITE the state of webhook endpoint {name}: {error}. Nothing is sent to it until that works; \
                         its events wait in the ledger. Look at {}, and at what it is kept on",
                        self.around.store.place(name.as_str())
                    );
                }
                self.save.failure = Some(error);
                self.save.at = Some(Instant::now() + self.save.back_off.pause());
                false
            }
        }
    }
}
