//! What operators have an endpoint do.

use std::time::Instant;

use ledger::Unavailable;
use stdx::ErrorChain;

use super::parts::{Endpoint, Order, Run};
use crate::port::{EndpointStatus, NotSteered, Steering};
use crate::queue::{DeliveryQueue, Disabled, FeedPlace, Saved};

/// What an order came to.
type Steered = Result<Result<(), NotSteered>, Unavailable>;

impl Endpoint {
    /// Does what is asked. Who asked may have given up meanwhile.
    pub(super) async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Look(answer) => {
                let _ = answer.send(self.status());
            }
            Order::Deliveries(state, limit, answer) => {
                let _ = answer.send(self.deliveries(state, limit));
            }
            Order::Steer(steering, deadline, answer) => {
                let steered = self.steer(steering, deadline).await;
                let _ = answer.send(steered);
            }
        }
    }

    async fn steer(
        &mut self,
        steering: Steering,
        deadline: Instant,
    ) -> Result<Result<EndpointStatus, NotSteered>, Unavailable> {
        if deadline <= Instant::now() {
            // Nobody waits any more, and an operator who is told nothing may have decided otherwise since.
            return Err(Unavailable::Overloaded);
        }
        let steered = match (steering, &self.run) {
            (_, Run::Opening { .. }) => Err(Unavailable::Opening),
            (_, Run::Off) => {
                let why = "the endpoint has disabled = true in the configuration";
                Ok(Err(NotSteered::Stopped(why.to_owned())))
            }
            (_, Run::Standby { elsewhere, .. }) => {
                Ok(Err(NotSteered::Elsewhere(elsewhere.by.clone())))
            }
            (Steering::Replay(place), Run::Going(_) | Run::Stopped(_)) => self.replay(place).await,
            (Steering::Retry | Steering::Enable | Steering::Disable, Run::Stopped(why)) => {
                Ok(Err(NotSteered::Stopped(why.clone())))
            }
            (Steering::Retry, Run::Going(_)) => self.retry().await,
            (Steering::Enable, Run::Going(_)) => {
                let now = self.now();
                self.with_queue(|queue| queue.enable(now)).await
            }
            (Steering::Disable, Run::Going(_)) => {
                self.with_queue(|queue| queue.disable(Disabled::ByOperator))
                    .await
            }
        };
        let done = steered?;
        if done.is_ok() {
            let name = &self.config.name;
            tracing::info!(
                endpoint = %name, order = steering.as_str(),
                "webhook endpoint {name}: {} by an operator", steering.as_str()
            );
        }
        Ok(done.map(|()| self.status()))
    }

    /// Changes the queue and keeps it.
    async fn with_queue(&mut self, change: impl FnOnce(&mut DeliveryQueue)) -> Steered {
        if let Run::Going(queue) = &mut self.run {
            change(queue);
        }
        self.keep().await
    }

    async fn keep(&mut self) -> Steered {
        match self.save_now().await {
            true => Ok(Ok(())),
            false => match &self.run {
                Run::Standby { elsewhere, .. } => {
                    Ok(Err(NotSteered::Elsewhere(elsewhere.by.clone())))
                }
                Run::Opening { .. } | Run::Going(_) | Run::Off | Run::Stopped(_) => {
                    Err(Unavailable::StorageFailed)
                }
            },
        }
    }

    async fn replay(&mut self, place: FeedPlace) -> Steered {
        if self.around.look(place.onward(), 1).await?.is_none() {
            return Ok(Err(NotSteered::PositionInvalid));
        }
        self.reading.forget();
        if let Run::Going(queue) = &mut self.run {
            queue.replay(place);
            return self.keep().await;
        }
        // The state that could not be used is kept for those who want to look at it.
        let name = &self.config.name;
        match self.around.store.put_aside(name.as_str()).await {
            Ok(Some(aside)) => tracing::warn!(
                endpoint = %name,
                "the state of webhook endpoint {name} that could not be used is put aside as {aside}"
            ),
            Ok(None) => {}
            Err(error) => {
                let why = format!("its state cannot be put aside: {}", ErrorChain(&error));
                return Ok(Err(NotSteered::Stopped(why)));
            }
        }
        let queue = DeliveryQueue::new(self.config.policy, Saved::beginning(place));
        self.run = Run::Going(Box::new(queue));
        self.keep().await
    }

    async fn retry(&mut self) -> Steered {
        let Run::Going(queue) = &self.run else {
            return Ok(Ok(()));
        };
        let mut found = Vec::new();
        for placed in queue.to_revive() {
            let Some(arrival) = self.around.find(&placed).await? else {
                return Ok(Err(NotSteered::PositionInvalid));
            };
            found.push(arrival);
        }
        self.with_queue(|queue| {
            for arrival in found {
                if !queue.revive(arrival) {
                    break;
                }
            }
        })
        .await
    }
}
