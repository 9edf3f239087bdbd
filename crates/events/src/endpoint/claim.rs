//! Who sends to an endpoint where several nodes could: the one that has its claim, for as long as that lasts.
//!
//! A claim is renewed long before its end. Who cannot renew it stops at its end; who learns that another node has it
//! stops at once. What was under way then may have arrived: the other node sends it again, with the same `webhook-id`.

use std::time::Duration;

use stdx::ErrorChain;
use tokio::time::Instant;

use super::held::{Elsewhere, Held};
use super::parts::{Endpoint, Run};
use crate::state;
use crate::store::{Claim, StoreError};

/// How often a node looks whether it may send to an endpoint that another node sends to.
pub(super) const STANDBY_INTERVAL: Duration = Duration::from_secs(1);

impl Endpoint {
    /// Claims the endpoint. `Some` is who has it else.
    pub(super) async fn claim(&mut self) -> Result<Option<String>, StoreError> {
        let asked_at = Instant::now();
        let claim = self.around.store.claim(self.config.name.as_str()).await?;
        Ok(self.hold(asked_at, claim))
    }

    /// Renews the claim that the endpoint has.
    pub(super) async fn renew(&mut self) -> Result<Option<String>, StoreError> {
        let asked_at = Instant::now();
        let claim = self.around.store.renew(self.config.name.as_str()).await?;
        Ok(self.hold(asked_at, claim))
    }

    fn hold(&mut self, asked_at: Instant, claim: Claim) -> Option<String> {
        match claim {
            Claim::Held { lasts } => {
                self.held = lasts.map(|lasts| Held::of(asked_at, lasts));
                None
            }
            Claim::Elsewhere { by } => {
                self.held = None;
                Some(by)
            }
        }
    }

    /// Renews the claim, if it is time for that.
    pub(super) async fn renew_if_due(&mut self) {
        let Some(held) = self.held else {
            return;
        };
        let now = Instant::now();
        if now < held.renew_at {
            return;
        }
        // The answer may be a long time coming: nothing is sent meanwhile, and nothing after the claim's end.
        match tokio::time::timeout_at(held.until, self.renew()).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(by))) => self.lose(by).await,
            Ok(Err(error)) if Instant::now() < held.until => {
                tracing::debug!(
                    endpoint = %self.config.name, error = %ErrorChain(&error),
                    "the claim of a webhook endpoint was not renewed; it is tried again"
                );
                let renew_at = Instant::now() + STANDBY_INTERVAL;
                self.held = Some(Held {
                    renew_at: renew_at.min(held.until),
                    ..held
                });
            }
            Ok(Err(_)) | Err(_) => {
                self.held = None;
                self.lose(
                    "the next that can claim it: this node could not renew its claim".to_owned(),
                )
                .await;
            }
        }
    }

    /// Another node sends from now on, or will.
    pub(super) async fn lose(&mut self, by: String) {
        let name = &self.config.name;
        tracing::warn!(
            endpoint = %name, by,
            "webhook endpoint {name} is not sent to by this node any more: by {by}. What was under way may be sent again \
             by that node"
        );
        self.held = None;
        self.requests.abort_all();
        while self.requests.join_next().await.is_some() {}
        self.reading.forget();
        self.save.at = None;
        self.save.failure = None;
        let elsewhere = Elsewhere { by, saved: None };
        self.stand_by(elsewhere);
    }

    pub(super) fn stand_by(&mut self, elsewhere: Elsewhere) {
        self.run = Run::Standby {
            at: Instant::now() + STANDBY_INTERVAL,
            elsewhere,
        };
    }

    /// What another node has kept. It changes under its hands, and what cannot be read is its affair.
    pub(super) async fn look_elsewhere(&mut self, by: String) -> Elsewhere {
        let name = self.config.name.as_str();
        let saved = match self.around.store.read(name).await {
            Ok(Some(bytes)) => state::parse(&bytes).ok(),
            Ok(None) => None,
            Err(error) => {
                tracing::debug!(
                    endpoint = name, error = %ErrorChain(&error),
                    "the state of a webhook endpoint that another node sends to cannot be read"
                );
                None
            }
        };
        Elsewhere { by, saved }
    }
}
