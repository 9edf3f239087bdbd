//! The dispatcher's task: from one lease of its claims to the next.
//!
//! Unless the lease is known to last, the dispatcher is told nothing, and so decides nothing; no
//! byte leaves either. A lease that was lost to other nodes takes with it all that was claimed: the
//! dispatcher begins anew under the next, and hears nothing of what was begun under the one before.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{
    Claims, ClaimsLease, Clock, Command, Engine, HealthReport, HealthTurn, Millis, Outcome,
    PaymentId, ProcessorName, Timestamp, Unavailable, Unsettled, UnsettledQuery, UsedPayment,
};
use stdx::{StopOnPanic, Throttle};
use tokio::sync::mpsc;

use super::config::Config;
use super::foreign::ForeignPayments;
use super::give::{give, in_time};
use super::last_answers::LastAnswers;
use super::leases::Leases;
use super::mailbox::Mailbox;
use super::meters::Meters;
use super::sources::Sources;
use super::talk::Talk;
use super::unknown::UnknownOutcomes;
use crate::answer::{AttemptAnswer, NotRecorded};
use crate::dispatcher::{Dispatcher, Effect, Input, Now, SendRequest};
use crate::policy::{ProcessorIndex, ProcessorPolicy};
use crate::template::Details;

/// The most commands of one batch.
const BATCH_MAX: usize = 1_000;
/// The most inputs that are taken in before their effects are carried out.
const INPUTS_MAX: usize = 1_000;
/// The most commands that are under way by themselves.
const APART_MAX: usize = 16;
/// How often the log names a payment that a damaged record holds up.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// How often a node that shares its ledger looks for what others accepted and did not claim.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct Driver {
    engine: Arc<dyn Engine>,
    claims: Arc<dyn Claims>,
    clock: Arc<dyn Clock>,
    started: Instant,
    dispatcher: Dispatcher,
    talks: Vec<Arc<Talk>>,
    last_answers: Arc<LastAnswers>,
    /// Each processor's name, and how often one node asks for its health; `None` where it has no report.
    polls: Vec<(ProcessorName, Option<Duration>)>,
    mailbox: Mailbox,
    /// Recorded payments that the dispatcher was told of and the ledger does not have as settled yet.
    settling: HashSet<PaymentId>,
    meters: Meters,
    unknown: UnknownOutcomes,
    leases: Leases,
    /// As it was when the dispatcher was last told something.
    lease: ClaimsLease,
    look_at: Instant,
    /// What was begun under the lease reports here.
    reports: mpsc::UnboundedSender<Input>,
    /// The commands for the next batch.
    commands: Vec<(PaymentId, Command)>,
    /// How many outcomes of the batch under way are still to come: one is under way at a time, so
    /// that what comes up meanwhile goes together.
    outcomes_left: usize,
    damage: Damage,
    foreign: Arc<ForeignPayments>,
}

/// What damaged records hold up.
struct Damage {
    /// The payments whose newest command was refused because a record that it needs is damaged.
    refused: HashSet<PaymentId>,
    /// Those of them whose next command is under way by itself: it delays no batch.
    apart: HashSet<PaymentId>,
    warnings: Arc<Throttle>,
}

impl Driver {
    /// Needs to be in a runtime.
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        claims: Arc<dyn Claims>,
        config: Config,
        clock: Arc<dyn Clock>,
        mailbox: Mailbox,
    ) -> Self {
        let costs: Vec<u32> = config
            .processors
            .iter()
            .map(|p| p.cost_basis_points)
            .collect();
        let talks = config.processors.into_iter();
        let poll = |policy: &ProcessorPolicy| (policy.name.clone(), policy.health_interval);
        let last_answers = Arc::new(LastAnswers::new(Arc::clone(&clock)));
        Self {
            engine,
            leases: Leases::start(Arc::clone(&claims)),
            claims,
            clock,
            started: Instant::now(),
            talks: talks
                .zip(&config.policy.processors)
                .enumerate()
                .map(|(index, (config, policy))| {
                    let answers = Arc::clone(&last_answers);
                    let index = ProcessorIndex::new(index);
                    Arc::new(Talk::new(policy.name.clone(), index, config, answers))
                })
                .collect(),
            last_answers,
            polls: config.policy.processors.iter().map(poll).collect(),
            meters: Meters::new(&config.policy, &costs),
            foreign: Arc::new(ForeignPayments::new(config.policy.currency)),
            unknown: UnknownOutcomes::new(&config.policy),
            dispatcher: Dispatcher::new(config.policy),
            mailbox,
            settling: HashSet::new(),
            lease: ClaimsLease::ALONE,
            look_at: Instant::now(),
            reports: mpsc::unbounded_channel().0,
            commands: Vec::new(),
            outcomes_left: 0,
            damage: Damage {
                refused: HashSet::new(),
                apart: HashSet::new(),
                warnings: Arc::new(Throttle::new(WARNING_INTERVAL)),
            },
        }
    }

    pub(super) async fn run(mut self, mut sources: Sources) {
        while !sources.stop.is_told {
            tokio::select! {
                lease = self.leases.current() => self.lease = lease,
                () = sources.stop.told() => return,
            }
            if !self.work(&mut sources).await {
                tracing::warn!(
                    "this node's claims on payments expired and other nodes may have taken them over: \
                     it claims payments again"
                );
                self.meters.claims_lost();
                self.mailbox.settling.clear();
                self.settling.clear();
                self.dispatcher = self.dispatcher.anew();
            }
        }
        drop(self.leases);
        if self.dispatcher.is_quiet() {
            // Others need not wait for the lease's end.
            let left = self.claims.leave(in_time()).await;
            if let Err(unavailable) = left {
                tracing::warn!(%unavailable,
                    "this node could not give up its claims on payments: other nodes take them over \
                     when its lease ends"
                );
            }
        }
    }

    /// Dispatches under one lease until told to stop; `false` when the lease was lost.
    async fn work(&mut self, sources: &mut Sources) -> bool {
        let (reports, mut received) = mpsc::unbounded_channel();
        self.reports = reports;
        self.commands.clear();
        self.outcomes_left = 0;
        self.damage.apart.clear();
        let mut effects = Vec::new();
        self.tell(Input::Tick, &mut effects);
        self.carry_out(&mut effects);
        while !(sources.stop.is_told && self.dispatcher.is_quiet()) {
            let input = self.next_input(&mut received, sources).await;
            // Whatever happened before: only who has the lease may act upon it.
            let lease = self.leases.current().await;
            if lease.number != self.lease.number {
                return false;
            }
            self.lease = lease;
            self.tell(input, &mut effects);
            for _ in 0..INPUTS_MAX {
                let Ok(input) = received.try_recv() else {
                    break;
                };
                self.tell(input, &mut effects);
            }
            self.carry_out(&mut effects);
            let at = self.started.elapsed();
            let dispatcher = &self.dispatcher;
            let renewed = self
                .meters
                .renew(at, self.lease, || dispatcher.standing(at));
            if let Some(standing) = renewed {
                let (answers, count) = (&self.last_answers, self.polls.len());
                self.unknown.report(at, &standing, |id, processor| {
                    answers.of(id, Some(processor), count)
                });
            }
        }
        true
    }

    async fn next_input(
        &mut self,
        received: &mut mpsc::UnboundedReceiver<Input>,
        sources: &mut Sources,
    ) -> Input {
        let next_tick = self.started + self.dispatcher.next_tick(self.started.elapsed());
        let shares = self.lease.until.is_some();
        loop {
            return tokio::select! {
                Some(input) = received.recv() => input,
                Some(id) = sources.changed.recv() => Input::Changed(id),
                Some((id, processor)) = sources.callbacks.recv() => Input::CalledBack { id, processor },
                Some((query, answer)) = sources.looks.recv() => {
                    // Nobody hears it where it was too late.
                    let _ = answer.send(self.unsettled(&query));
                    continue;
                }
                () = self.mailbox.accepted.notified() => Input::Accepted,
                () = tokio::time::sleep_until(next_tick.into()) => Input::Tick,
                () = tokio::time::sleep_until(self.look_at.into()), if shares => {
                    self.look_at = Instant::now() + LOOK_INTERVAL;
                    Input::Accepted
                }
                () = sources.stop.told() => Input::Stop,
            };
        }
    }

    /// What the dispatcher has in hand, as everybody else may see it.
    fn unsettled(&self, query: &UnsettledQuery) -> Vec<Unsettled> {
        let at = self.started.elapsed();
        let wall = self.clock.now();
        let time = |then: Duration| match then.checked_sub(at) {
            Some(later) => wall.plus(later),
            None => Timestamp::from_nanos(wall.as_nanos().saturating_sub(nanos(at - then))),
        };
        let seen = self.dispatcher.unsettled(query);
        seen.into_iter()
            .map(|seen| {
                let id = seen.place.id;
                let name = |processor: ProcessorIndex| {
                    let poll = self.polls.get(processor.get());
                    poll.map(|(name, _)| name.clone())
                };
                let processors_count = self.polls.len();
                Unsettled {
                    place: seen.place,
                    state: seen.state,
                    processor: seen.processor.and_then(name),
                    attempt: seen.attempt,
                    unknown_since: seen.unknown_since.map(time),
                    next_question_at: seen.question_at.map(time),
                    last_answer: self.last_answers.of(id, seen.processor, processors_count),
                }
            })
            .collect()
    }

    fn tell(&mut self, input: Input, effects: &mut Vec<Effect>) {
        if let Input::Outcome { id, result } = &input {
            self.count_outcome(*id, result.as_ref().err().copied());
        }
        let recorded = match &input {
            Input::Answered {
                request,
                answer: AttemptAnswer::Recorded,
            } => Some(request.id),
            _ => None,
        };
        let settled = match &input {
            Input::Outcome { id, .. } | Input::Looked { id, .. } | Input::Changed(id) => {
                self.settling.contains(id).then_some(*id)
            }
            _ => None,
        };
        let now = Now {
            at: self.started.elapsed(),
            wall: Millis(self.clock.now().as_nanos() / 1_000_000),
        };
        let stop = StopOnPanic("dispatcher");
        self.dispatcher.handle(now, input, effects);
        drop(stop);
        // Whatever became of it: a summary waits only for what may still be settled.
        for id in recorded.into_iter().chain(settled) {
            if self.dispatcher.is_settling(id) {
                self.settling.insert(id);
            } else {
                self.settling.remove(&id);
                self.mailbox.settling.end(id);
            }
        }
    }

    fn count_outcome(&mut self, id: PaymentId, unavailable: Option<Unavailable>) {
        if !self.damage.apart.remove(&id) {
            self.outcomes_left = self.outcomes_left.saturating_sub(1);
        }
        if unavailable == Some(Unavailable::StorageDamaged) {
            self.damage.refused.insert(id);
        } else {
            self.damage.refused.remove(&id);
        }
    }

    /// Gives a command with the next batch; by itself where it is likely to be refused.
    fn give_next(&mut self, id: PaymentId, command: Command) {
        if self.damage.refused.contains(&id) && self.damage.apart.len() < APART_MAX {
            self.damage.apart.insert(id);
            self.submit(vec![(id, command)]);
        } else {
            self.commands.push((id, command));
        }
    }

    fn carry_out(&mut self, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Submit { id, command } => self.give_next(id, command),
                Effect::Send(request) => self.send(request),
                Effect::Ask(question) => self.spawn(question.processor, move |talk| async move {
                    Input::Asked {
                        question,
                        found: talk.find(question.id, question.currency).await,
                    }
                }),
                Effect::Probe(question) => self.spawn(question.processor, move |talk| async move {
                    Input::Probed {
                        question,
                        found: talk.find(question.id, question.currency).await,
                    }
                }),
                Effect::Look(id) => self.look(id),
                Effect::Report(conflict) => self.meters.report(&conflict),
                Effect::PollHealth(processor) => self.poll_health(processor),
                Effect::ReadDue(query) => {
                    let (claims, reports) = (Arc::clone(&self.claims), self.reports.clone());
                    let foreign = Arc::clone(&self.foreign);
                    tokio::spawn(async move {
                        let page = claims.payments_due(query, in_time()).await;
                        foreign.warn_of(page.as_deref().unwrap_or(&[]));
                        // The lease has ended where nobody hears it.
                        let _ = reports.send(Input::Due(page));
                    });
                }
            }
        }
        if self.outcomes_left == 0 && !self.commands.is_empty() {
            let rest = self.commands.split_off(self.commands.len().min(BATCH_MAX));
            let commands = std::mem::replace(&mut self.commands, rest);
            self.outcomes_left = commands.len();
            self.submit(commands);
        }
    }

    /// Sends a payment, unless the lease of it or that of the claims would not outlive the request.
    fn send(&self, request: SendRequest) {
        let of_payment = self.started + request.lease_until;
        let of_claims = self.lease.until.unwrap_or(of_payment);
        let settling = Arc::clone(&self.mailbox.settling);
        let lease = settling.lease();
        let engine = Arc::clone(&self.engine);
        self.spawn(request.processor, |talk| async move {
            let details = match talk.needs_details() {
                true => details(&*engine, request.id).await,
                false => Some(Details::default()),
            };
            let answer = match details {
                Some(details) => {
                    let lease_until = of_payment.min(of_claims);
                    talk.send(&request, &details, lease_until).await
                }
                // The ledger does not show it now: nothing leaves.
                None => AttemptAnswer::NotRecorded(NotRecorded::LeaseOver),
            };
            if answer == AttemptAnswer::Recorded {
                settling.begin(request.id, lease);
            }
            Input::Answered { request, answer }
        });
    }

    /// Reads a payment from the ledger.
    fn look(&self, id: PaymentId) {
        let (engine, reports) = (Arc::clone(&self.engine), self.reports.clone());
        tokio::spawn(async move {
            let used = engine.payment(id, in_time()).await;
            let payment = used.map(|used| match used {
                Some(UsedPayment::Accepted(payment)) => Some(Box::new(payment)),
                Some(UsedPayment::Refused(..)) | None => None,
            });
            // The lease has ended where nobody hears it.
            let _ = reports.send(Input::Looked { id, payment });
        });
    }

    /// Has the processor asked for its health by the node whose turn it is.
    fn poll_health(&self, processor: ProcessorIndex) {
        let (name, Some(interval)) = self.polls[processor.get()].clone() else {
            unreachable!("the dispatcher polls only processors that have a health report");
        };
        let claims = Arc::clone(&self.claims);
        self.spawn(processor, move |talk| async move {
            let turn = claims.health_turn(name.clone(), interval, in_time()).await;
            match turn {
                Ok(HealthTurn::Ours) => {}
                Ok(HealthTurn::Theirs(report)) => return Input::Health { processor, report },
                // Nobody knows whose turn it is: it is asked for again later.
                Err(_) => {
                    let report = None;
                    return Input::Health { processor, report };
                }
            }
            let asked_at = Instant::now();
            let report = talk.health().await;
            if let Some(report) = report {
                let age = asked_at.elapsed();
                tokio::spawn(async move {
                    let report = HealthReport { age, ..report };
                    // A node that misses this report asks when it is its turn.
                    let _ = claims.report_health(name, report, in_time()).await;
                });
            }
            Input::Health { processor, report }
        });
    }

    /// Talks to a processor, and tells the dispatcher what came of it.
    fn spawn<F: Future<Output = Input> + Send + 'static>(
        &self,
        processor: ProcessorIndex,
        talk: impl FnOnce(Arc<Talk>) -> F,
    ) {
        let talking = talk(Arc::clone(&self.talks[processor.get()]));
        let reports = self.reports.clone();
        tokio::spawn(async move {
            // The lease has ended where nobody hears it.
            let _ = reports.send(talking.await);
        });
    }

    fn submit(&self, commands: Vec<(PaymentId, Command)>) {
        let (engine, reports) = (Arc::clone(&self.engine), self.reports.clone());
        let warnings = Arc::clone(&self.damage.warnings);
        let mut unanswered: HashSet<PaymentId> = commands.iter().map(|(id, _)| *id).collect();
        let (given, mut results) = mpsc::unbounded_channel();
        let giving = tokio::spawn(async move {
            give(engine.as_ref(), commands, |id, result| {
                // It is heard for as long as the runtime lives.
                let _ = given.send((id, result));
            })
            .await;
        });
        tokio::spawn(async move {
            // The lease has ended where nobody hears it.
            let report = |id, result: Result<Outcome, Unavailable>| {
                let result = result.map(Box::new);
                let _ = reports.send(Input::Outcome { id, result });
            };
            while let Some((id, result)) = results.recv().await {
                unanswered.remove(&id);
                if matches!(result, Err(Unavailable::StorageDamaged)) {
                    warn_of_damage(&warnings, id);
                }
                report(id, result);
            }
            // Whatever happens there, those that wait for the outcomes get them.
            if let Err(ended) = giving.await {
                tracing::error!(%ended, "commands about payments ended without an answer: they are given to the ledger again");
            }
            for id in unanswered {
                report(id, Err(Unavailable::LedgerUnavailable));
            }
        });
    }
}

/// The texts of a payment; `None` while the ledger does not answer.
async fn details(engine: &dyn Engine, id: PaymentId) -> Option<Details> {
    let Ok(Some(UsedPayment::Accepted(payment))) = engine.payment(id, in_time()).await else {
        return None;
    };
    let reference = payment.notes.reference();
    Some(Details {
        description: payment.description.to_string(),
        reference: reference.map(|reference| reference.as_str().to_owned()),
        metadata: payment.notes.metadata().to_json(),
    })
}

fn warn_of_damage(warnings: &Throttle, id: PaymentId) {
    if let Some(held_back) = warnings.pass() {
        tracing::error!(
            payment = %id,
            held_back,
            "a payment is held up, because a record that its next step needs is damaged; all others go \
             on. Run `lastro verify`, and restore the ledger from a backup"
        );
    }
}

fn nanos(duration: Duration) -> u64 {
    let Ok(nanos) = u64::try_from(duration.as_nanos()) else {
        unreachable!("no process runs for 584 years");
    };
    nanos
}

#[cfg(test)]
mod tests;
