//! How the state is kept.

use std::time::Duration;

use tokio::time::Instant;

use super::parts::{Endpoint, Run};

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
        let (file, saved) = (self.around.file.clone(), queue.saved());
        let written = tokio::task::spawn_blocking(move || file.write(&saved)).await;
        let failure = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panicked) => Some(panicked.to_string()),
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
                         its events wait in the ledger. Look at the folder `webhooks` in the data folder, and at its disk"
                    );
                }
                self.save.failure = Some(error);
                self.save.at = Some(Instant::now() + self.save.back_off.pause());
                false
            }
        }
    }
}
