//! How an endpoint goes on where it was, or begins.

use ledger::{EventsFrom, Unavailable};
use stdx::ErrorChain;
use tokio::time::Instant;

use super::held::Elsewhere;
use super::parts::{Endpoint, Run};
use super::reading::not_of_this_ledger;
use crate::config::FirstFrom;
use crate::queue::{DeliveryQueue, FeedPlace, Saved};
use crate::state;
use crate::store::StoreError;

/// Why an endpoint is not open yet.
enum NotOpen {
    /// The ledger does not answer: later.
    Later(Unavailable),
    /// Somebody has to mend something.
    Never(String),
    /// Another node sends to it.
    Elsewhere(Elsewhere),
    /// The place it is kept in does not answer: later.
    Unread(StoreError),
}

impl From<Unavailable> for NotOpen {
    fn from(why: Unavailable) -> Self {
        Self::Later(why)
    }
}

impl Endpoint {
    /// Reads its state, if it is time for that.
    pub(super) async fn open_if_due(&mut self) {
        let (Run::Opening { at } | Run::Standby { at, .. }) = self.run else {
            return;
        };
        if at > Instant::now() {
            return;
        }
        match self.open().await {
            Ok((queue, is_new)) => {
                self.reading.succeed();
                self.run = Run::Going(Box::new(queue));
                // Nothing is sent before it is known for ever where a new one has begun.
                if is_new {
                    self.save_now().await;
                }
            }
            Err(NotOpen::Later(why)) => {
                let at = self.reading.fail(why, self.config.name.as_str());
                self.run = Run::Opening { at };
            }
            Err(NotOpen::Never(why)) => self.stop_because(why),
            Err(NotOpen::Elsewhere(elsewhere)) => self.stand_by(elsewhere),
            Err(NotOpen::Unread(error)) => {
                let (name, place) = (
                    self.config.name.as_str(),
                    self.around.store.place(self.config.name.as_str()),
                );
                if let Some(held_back) = self.save.failing.pass() {
                    tracing::error!(
                        endpoint = name, error = %ErrorChain(&error), held_back,
                        "CANNOT READ the state of webhook endpoint {name} in {place}. Nothing is sent to it until that \
                         works; its events wait in the ledger"
                    );
                }
                let at = Instant::now() + self.save.back_off.pause();
                self.run = Run::Opening { at };
            }
        }
    }

    /// Its queue, and whether it is new.
    async fn open(&mut self) -> Result<(DeliveryQueue, bool), NotOpen> {
        let name = self.config.name.clone();
        if let Some(by) = self.claim().await.map_err(NotOpen::Unread)? {
            return Err(NotOpen::Elsewhere(self.look_elsewhere(by).await));
        }
        let store = &self.around.store;
        let kept = store.read(name.as_str()).await.map_err(NotOpen::Unread)?;
        let saved = kept.map(|bytes| state::parse(&bytes)).transpose();
        let saved = saved.map_err(|invalid| {
            let place = store.place(name.as_str());
            NotOpen::Never(format!(
                "{place} {invalid}. Restore it from a copy, or choose where the endpoint goes on with POST \
                 /v1/webhooks/{name}/replay, which puts it aside"
            ))
        })?;
        let policy = self.config.policy;
        let Some(saved) = saved else {
            let saved = Saved::beginning(self.first_place().await?);
            tracing::info!(
                endpoint = %name, position = %saved.read_to,
                "webhook endpoint {name} is new and begins at {}", saved.read_to
            );
            return Ok((DeliveryQueue::new(policy, saved), true));
        };
        if self.around.look(saved.read_to.onward(), 1).await?.is_none() {
            return Err(NotOpen::Never(not_of_this_ledger()));
        }
        tracing::info!(
            endpoint = %name, position = %saved.read_to,
            waiting_count = saved.waiting.len(), dead_letters_count = saved.dead_letters.len(),
            "webhook endpoint {name} goes on at {}, with {} events that wait and {} dead letters",
            saved.read_to, saved.waiting.len(), saved.dead_letters.len()
        );
        let mut queue = DeliveryQueue::new(policy, saved.clone());
        for waiting in saved.waiting {
            // Hundreds of look-ups may take longer than a claim lasts.
            let is_due = self
                .held
                .is_some_and(|held| held.renew_at <= Instant::now());
            if is_due && let Some(by) = self.renew().await.map_err(NotOpen::Unread)? {
                return Err(NotOpen::Elsewhere(self.look_elsewhere(by).await));
            }
            let arrival = self.around.find(&waiting.record.placed).await?;
            let arrival = arrival.ok_or_else(|| NotOpen::Never(not_of_this_ledger()))?;
            queue.restore(arrival, waiting);
        }
        Ok((queue, false))
    }

    async fn first_place(&mut self) -> Result<FeedPlace, NotOpen> {
        match self.config.first_from {
            FirstFrom::Beginning => Ok(FeedPlace::Beginning),
            FirstFrom::Latest => match self.around.look(EventsFrom::Now, 1).await? {
                Some(page) => Ok(FeedPlace::After(page.next)),
                None => Err(NotOpen::Never(not_of_this_ledger())),
            },
        }
    }

    /// Reads its state again, as after a restart: all that waits is due.
    pub(super) async fn reopen(&mut self) {
        if matches!(self.run, Run::Going(_)) {
            self.save_now().await;
            self.requests.abort_all();
            while self.requests.join_next().await.is_some() {}
            self.reading.forget();
            self.run = Run::Opening { at: Instant::now() };
        }
    }
}
