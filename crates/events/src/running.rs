//! The endpoints of a node at work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Answer, Clock, Engine, Unavailable};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::config::EndpointConfig;
use crate::endpoint::{Endpoint, Order, Surroundings};
use crate::face::{EventFace, EventFilter};
use crate::metrics::{METRICS, Meters};
use crate::port::{
    DELIVERIES_MAX, DeliveriesQuery, Delivery, EndpointState, EndpointStatus, NotSteered, Steering,
    Webhooks,
};
use crate::receiver::{ClientError, Receiver};
use crate::secrets::WebhookSecrets;
use crate::store::EndpointStore;

/// How many orders may wait for an endpoint.
const ORDERS_MAX: usize = 64;

/// What all endpoints share.
pub struct WebhookParts {
    /// The ledger; only its events are read.
    pub engine: Arc<dyn Engine>,
    /// How events are shown.
    pub face: Arc<dyn EventFace>,
    /// The time that messages are signed with.
    pub clock: Arc<dyn Clock>,
    /// Where endpoints are kept, and which node sends to each.
    pub store: Arc<dyn EndpointStore>,
}

/// What one endpoint is made of.
pub struct EndpointParts {
    /// How it is configured.
    pub config: EndpointConfig,
    /// Which events it asks for.
    pub filter: Arc<dyn EventFilter>,
    /// What its messages are signed with.
    pub secrets: WebhookSecrets,
}

/// Why an endpoint cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("webhook endpoint {name}")]
pub struct StartError {
    name: String,
    source: ClientError,
}

/// Endpoints at work. Dropping it stops them where they are; [`RunningWebhooks::stop`] lets them finish.
pub struct RunningWebhooks {
    stop: watch::Sender<bool>,
    handles: Arc<[Handle]>,
    tasks: Vec<Task>,
}

/// The task of one endpoint, and the one that reports how it ends.
struct Task {
    work: AbortHandle,
    watch: JoinHandle<()>,
}

impl Drop for RunningWebhooks {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.work.abort();
        }
    }
}

/// The way to the task of one endpoint.
struct Handle {
    name: String,
    url: String,
    orders: mpsc::Sender<Order>,
}

impl RunningWebhooks {
    /// Starts a task for each endpoint. Needs to be in a runtime.
    ///
    /// # Errors
    ///
    /// If an endpoint's receiver cannot be talked to: its authorities cannot be read.
    pub fn start(
        parts: &WebhookParts,
        mut endpoints: Vec<EndpointParts>,
    ) -> Result<Self, StartError> {
        stdx::describe_metrics!(METRICS);
        endpoints.sort_by(|one, other| one.config.name.cmp(&other.config.name));
        let (stop, stopping) = watch::channel(false);
        let mut handles = Vec::new();
        let mut starting = Vec::new();
        for endpoint in endpoints {
            let EndpointParts {
                config,
                filter,
                secrets,
            } = endpoint;
            let receiver = Receiver::new(&config, secrets).map_err(|source| StartError {
                name: config.name.to_string(),
                source,
            })?;
            let (sender, orders) = mpsc::channel(ORDERS_MAX);
            handles.push(Handle {
                name: config.name.to_string(),
                url: config.url.to_string(),
                orders: sender,
            });
            let surroundings = Surroundings {
                engine: Arc::clone(&parts.engine),
                face: Arc::clone(&parts.face),
                clock: Arc::clone(&parts.clock),
                filter,
                receiver: Arc::new(receiver),
                store: Arc::clone(&parts.store),
                meters: Meters::new(&config.name),
            };
            starting.push((config, surroundings, orders));
        }
        let tasks = starting.into_iter().map(|(config, surroundings, orders)| {
            let name = config.name.clone();
            let endpoint = Endpoint::new(config, surroundings);
            let running = tokio::spawn(endpoint.run(orders, stopping.clone()));
            let work = running.abort_handle();
            let watch = tokio::spawn(async move {
                let ended = running.await;
                if ended.is_err_and(|ended| ended.is_panic()) {
                    tracing::error!(
                        endpoint = %name,
                        "WEBHOOKS HAVE STOPPED for endpoint {name} after an error in the program, which is above: \
                         its events wait in the ledger. Restart the server to send them"
                    );
                }
            });
            Task { work, watch }
        });
        Ok(Self {
            tasks: tasks.collect(),
            handles: handles.into(),
            stop,
        })
    }

    /// The way to look at the endpoints, and to steer them.
    #[must_use]
    pub fn port(&self) -> Arc<dyn Webhooks> {
        Arc::new(Port {
            handles: Arc::clone(&self.handles),
        })
    }

    /// Begins nothing new, gives what is under way a moment, and keeps what was delivered. What is not answered within
    /// `patience` is sent again after the next start.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + patience;
        for task in &mut self.tasks {
            if tokio::time::timeout_at(deadline, &mut task.watch)
                .await
                .is_err()
            {
                tracing::warn!(
                    "an endpoint of webhooks did not stop in time: what it delivered last may be delivered again"
                );
            }
        }
    }
}

struct Port {
    handles: Arc<[Handle]>,
}

impl Port {
    fn find(&self, name: &str) -> Option<&Handle> {
        self.handles.iter().find(|handle| handle.name == name)
    }
}

impl Handle {
    /// Gives the endpoint an order and waits for its answer. `None` if its task has ended.
    async fn ask<T>(
        &self,
        deadline: Instant,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<Option<T>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        match self.orders.try_send(order(answer)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Unavailable::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => return Ok(None),
        }
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(answer) => Ok(answer.ok()),
            Err(_) => Err(Unavailable::Timeout),
        }
    }

    /// What is said of an endpoint whose task has ended.
    fn ended(&self) -> EndpointStatus {
        EndpointStatus {
            name: self.name.clone(),
            url: self.url.clone(),
            state: EndpointState::Stopped,
            reason: Some(
                "it has stopped; the log of the server has the cause, and a restart goes on"
                    .to_owned(),
            ),
            position: None,
            waiting_count: 0,
            requests_count: 0,
            dead_letters_count: 0,
            delivered_count: 0,
            oldest_waiting_at: None,
            lag_ns: 0,
            last_try: None,
            next_try_at: None,
        }
    }
}

impl Webhooks for Port {
    fn endpoints(&self, deadline: Instant) -> Answer<'_, Vec<EndpointStatus>> {
        Box::pin(async move {
            let mut all = Vec::new();
            for handle in self.handles.iter() {
                let status = handle.ask(deadline, Order::Look).await?;
                all.push(status.unwrap_or_else(|| handle.ended()));
            }
            Ok(all)
        })
    }

    fn deliveries(
        &self,
        query: DeliveriesQuery,
        deadline: Instant,
    ) -> Answer<'_, Option<Vec<Delivery>>> {
        Box::pin(async move {
            let Some(handle) = self.find(&query.name) else {
                return Ok(None);
            };
            let limit = query.limit.min(DELIVERIES_MAX);
            let order = |answer| Order::Deliveries(query.state, limit, answer);
            let listed = handle.ask(deadline, order).await?;
            listed.map(Some).ok_or(Unavailable::LedgerUnavailable)
        })
    }

    fn steer(
        &self,
        name: String,
        order: Steering,
        deadline: Instant,
    ) -> Answer<'_, Option<Result<EndpointStatus, NotSteered>>> {
        Box::pin(async move {
            let Some(handle) = self.find(&name) else {
                return Ok(None);
            };
            let steer = |answer| Order::Steer(order, deadline, answer);
            match handle.ask(deadline, steer).await? {
                Some(done) => done.map(Some),
                None => Err(Unavailable::LedgerUnavailable),
            }
        })
    }
}
