//! The dispatcher at work: over an engine, real time and real processors.
//!
//! One task tells the dispatcher what happened and carries out what it says. Commands that are to
//! be given at the same time go to the engine as one batch.

mod client;
mod config;
mod gate;
mod meters;
mod settling;
mod talk;
mod watched;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Batch, Clock, Command, Engine, Millis, Outcome, PaymentId, Unavailable};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::answer::Answer;
use crate::dispatcher::{Dispatcher, Effect, Input, Now};
pub use config::{Config, ProcessorConfig, ProcessorUrl, UrlInvalid};
use meters::Meters;
use settling::Settling;
use talk::Talk;
pub use watched::{WithPayments, WithoutPayments};

/// How long the ledger has for a command or a page.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(2);
/// The most commands of one batch.
const BATCH_MAX: usize = 1_000;
/// The most inputs that are taken in before their effects are carried out.
const INPUTS_MAX: usize = 1_000;

/// What reaches the dispatcher's task from elsewhere.
#[derive(Clone)]
struct Mailbox {
    /// Holds no more than there are effects under way, and changes by operators.
    inputs: mpsc::UnboundedSender<Input>,
    /// Rung when payments were accepted, however many.
    accepted: Arc<Notify>,
    settling: Arc<Settling>,
}

/// A dispatcher at work. Dropping it stops it where it is: what is under way is resolved by the
/// next one.
pub struct Dispatch {
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dispatch {
    /// Starts a dispatcher over an engine, and gives the engine through which everybody else has
    /// to reach it: it hears of what is accepted. Needs to be in a runtime.
    #[must_use]
    pub fn start(
        engine: Arc<dyn Engine>,
        config: Config,
        clock: Arc<dyn Clock>,
    ) -> (Self, Arc<dyn Engine>) {
        let (inputs, received) = mpsc::unbounded_channel();
        let mailbox = Mailbox {
            inputs,
            accepted: Arc::default(),
            settling: Arc::default(),
        };
        let watched = WithPayments::new(Arc::clone(&engine), mailbox.clone());
        let (stop, stopped) = oneshot::channel();
        let costs: Vec<u32> = config
            .processors
            .iter()
            .map(|p| p.cost_basis_points)
            .collect();
        let talks = config.processors.into_iter();
        let driver = Driver {
            engine,
            clock,
            started: Instant::now(),
            talks: talks.map(|config| Arc::new(Talk::new(config))).collect(),
            meters: Meters::new(&config.policy, &costs),
            dispatcher: Dispatcher::new(config.policy),
            mailbox,
        };
        let task = tokio::spawn(driver.run(received, stopped));
        let stop = Some(stop);
        (Self { task, stop }, Arc::new(watched))
    }

    /// Begins nothing new, and waits for what is under way, up to `patience`.
    pub async fn stop(mut self, patience: Duration) {
        if let Some(stop) = self.stop.take() {
            // The task has ended already where nobody hears it.
            let _ = stop.send(());
        }
        if tokio::time::timeout(patience, &mut self.task)
            .await
            .is_err()
        {
            tracing::warn!("payments are under way; the next start resolves them");
        }
    }
}

struct Driver {
    engine: Arc<dyn Engine>,
    clock: Arc<dyn Clock>,
    started: Instant,
    dispatcher: Dispatcher,
    talks: Vec<Arc<Talk>>,
    mailbox: Mailbox,
    meters: Meters,
}

impl Driver {
    async fn run(
        mut self,
        mut received: mpsc::UnboundedReceiver<Input>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let mut effects = Vec::new();
        let mut is_stopping = false;
        self.tell(Input::Tick, &mut effects);
        self.carry_out(&mut effects);
        while !(is_stopping && self.dispatcher.is_quiet()) {
            let next_tick = self.started + self.dispatcher.next_tick(self.started.elapsed());
            let accepted = Arc::clone(&self.mailbox.accepted);
            let input = tokio::select! {
                Some(input) = received.recv() => input,
                () = accepted.notified() => Input::Accepted,
                () = tokio::time::sleep_until(next_tick.into()) => Input::Tick,
                // An error means that nobody holds the dispatcher: its task is being ended.
                _ = &mut stopped, if !is_stopping => {
                    is_stopping = true;
                    Input::Stop
                }
            };
            self.tell(input, &mut effects);
            for _ in 0..INPUTS_MAX {
                let Ok(input) = received.try_recv() else {
                    break;
                };
                self.tell(input, &mut effects);
            }
            self.carry_out(&mut effects);
            let at = self.started.elapsed();
            self.meters.renew(at, || self.dispatcher.standing(at));
        }
    }

    fn tell(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if let Input::Outcome(id, Ok(_)) = &input {
            self.mailbox.settling.end(*id);
        }
        let now = Now {
            at: self.started.elapsed(),
            wall: Millis(self.clock.now().as_nanos() / 1_000_000),
        };
        self.dispatcher.handle(now, input, effects);
    }

    fn carry_out(&self, effects: &mut Vec<Effect>) {
        let mut commands = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Submit(id, command) => commands.push((id, command)),
                Effect::Send(request) => {
                    self.spawn(request.processor, |talk, started, mailbox| async move {
                        let answer = talk.send(&request, started + request.lease_until).await;
                        if answer == Answer::Recorded {
                            mailbox.settling.begin(request.id);
                        }
                        Input::Answered(request.id, request.attempt, answer)
                    });
                }
                Effect::Ask {
                    id,
                    currency,
                    processor,
                } => self.spawn(processor, move |talk, _, _| async move {
                    Input::Asked(id, talk.find(id, currency).await)
                }),
                Effect::PollHealth(processor) => {
                    self.spawn(processor, move |talk, _, _| async move {
                        Input::Health(processor, talk.health().await)
                    });
                }
                Effect::ReadDue(query) => {
                    let (engine, inputs) = (Arc::clone(&self.engine), self.mailbox.inputs.clone());
                    tokio::spawn(async move {
                        let deadline = Instant::now() + ENGINE_TIMEOUT;
                        let page = engine.payments_due(query, deadline).await;
                        // The driver has ended where nobody hears it.
                        let _ = inputs.send(Input::Due(page));
                    });
                }
            }
        }
        while !commands.is_empty() {
            let rest = commands.split_off(commands.len().min(BATCH_MAX));
            self.submit(std::mem::replace(&mut commands, rest));
        }
    }

    /// Talks to a processor, and tells the dispatcher what came of it.
    fn spawn<F: Future<Output = Input> + Send + 'static>(
        &self,
        processor: usize,
        talk: impl FnOnce(Arc<Talk>, Instant, Mailbox) -> F,
    ) {
        let Some(to) = self.talks.get(processor) else {
            return;
        };
        let talking = talk(Arc::clone(to), self.started, self.mailbox.clone());
        let inputs = self.mailbox.inputs.clone();
        tokio::spawn(async move {
            // The driver has ended where nobody hears it.
            let _ = inputs.send(talking.await);
        });
    }

    fn submit(&self, commands: Vec<(PaymentId, Command)>) {
        let (engine, inputs) = (Arc::clone(&self.engine), self.mailbox.inputs.clone());
        tokio::spawn(async move {
            let (ids, commands): (Vec<_>, Vec<_>) = commands.into_iter().unzip();
            let outcomes = give(engine.as_ref(), commands).await;
            let mut outcomes = outcomes.map(Vec::into_iter);
            for id in ids {
                let outcome = match &mut outcomes {
                    Ok(outcomes) => outcomes.next().ok_or(Unavailable::LedgerUnavailable),
                    Err(unavailable) => Err(*unavailable),
                };
                // The driver has ended where nobody hears it.
                let _ = inputs.send(Input::Outcome(id, outcome.map(Box::new)));
            }
        });
    }
}

/// Gives the engine commands that stand alone.
async fn give(engine: &dyn Engine, commands: Vec<Command>) -> Result<Vec<Outcome>, Unavailable> {
    let batch = Batch::independent(commands).map_err(|invalid| {
        tracing::error!(%invalid, "commands about payments make no batch");
        Unavailable::Overloaded
    })?;
    let deadline = Instant::now() + ENGINE_TIMEOUT;
    let outcomes = engine.submit(vec![batch], deadline).await?;
    Ok(outcomes.into_iter().flatten().collect())
}
