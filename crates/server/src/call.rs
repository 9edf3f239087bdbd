//! One request's way to the engine, within its deadlines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use events::{DeliveriesQuery, Delivery, EndpointStatus, NotSteered, Steering, Webhooks};
use ledger::{
    Account, AccountId, AccountsPage, AccountsQuery, Answer, BalanceAt, Batch, BatchId, Command,
    DueQuery, Engine, Event, EventPage, EventQuery, LimitChange, ListPage, ListedTransfer, Millis,
    Outcome, Payment, PaymentId, PaymentList, PendingEnd, PendingState, ProcessorSummary,
    Resolution, Standing, Statement, StatementQuery, Timestamp, Transfer, TransferId, TransferList,
    Unavailable, Unsettled, UnsettledQuery, UsedPayment, UsedTransfer,
};

use tokio::sync::OwnedSemaphorePermit;

use outbox::{Accepted, NotAccepted, Operation, OperationState, Operations};

use crate::body::{self, BodyBytes};
use crate::callbacks::Callbacks;
use crate::errors;
use crate::feed_turns::FeedTurns;
use crate::http_face::{Shared, WAITS_MAX};
use crate::keys::{self, Audit, Caller, NotAllowed};
use crate::problem::Problem;
use crate::room::Place;

/// How long an answer waits for what its payment's dispatcher knows.
const DISPATCHED_WAIT: Duration = Duration::from_millis(100);

/// The most bytes of a processor's callback.
const CALLBACK_BYTES_MAX: usize = 64 * 1024;

/// What a handler answers.
pub(crate) type Answered = Result<Response, Problem>;

/// A request in progress.
pub(crate) struct Call {
    shared: Arc<Shared>,
    caller: Caller,
    started: Instant,
}

impl Call {
    pub(crate) const fn new(shared: Arc<Shared>, caller: Caller, started: Instant) -> Self {
        Self {
            shared,
            caller,
            started,
        }
    }

    /// Begins anew to count the time: for a part of an answer that goes on for longer than a request may.
    pub(crate) fn begin_again(&mut self) {
        self.started = Instant::now();
    }

    /// Whose ids an `Idempotency-Key` of the request stands for.
    pub(crate) fn tenant(&self) -> &str {
        self.caller.tenant()
    }

    /// Fails if the caller's accounts are limited: for what is about all of them.
    pub(crate) fn check_all_accounts(&self) -> Result<(), Problem> {
        Ok(self.caller.check_all()?)
    }

    /// The time as the face's clock says.
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.app.clock.now()
    }

    /// The body of a `/v1` request.
    pub(crate) async fn body(&self, body: Body) -> Result<BodyBytes, Problem> {
        let bytes_max = self.shared.app.limits.body_bytes_max;
        self.read(body, bytes_max).await
    }

    /// The body of a processor's callback, which anybody can send: each signature is computed over all of it.
    pub(crate) async fn callback_body(&self, body: Body) -> Result<BodyBytes, Problem> {
        let bytes_max = self.shared.app.limits.body_bytes_max;
        self.read(body, bytes_max.min(CALLBACK_BYTES_MAX)).await
    }

    /// The body of a batch.
    pub(crate) async fn batch_body(&self, body: Body) -> Result<BodyBytes, Problem> {
        let bytes_max = self.shared.app.limits.batch_body_bytes_max;
        self.read(body, bytes_max).await
    }

    /// The body of a request on the 2024 challenge's routes.
    pub(crate) async fn challenge_body(&self, body: Body) -> Result<BodyBytes, Problem> {
        let bytes_max = self.shared.app.limits.challenge_body_bytes_max;
        self.read(body, bytes_max).await
    }

    async fn read(&self, body: Body, bytes_max: usize) -> Result<BodyBytes, Problem> {
        body::read(&self.shared.bodies, body, bytes_max, self.deadline()).await
    }

    /// Reserves room for an answer of at most so many bytes. It is reserved before the engine is asked: the
    /// outcome of what was done must be answered.
    pub(crate) fn place(&self, bytes_max: usize) -> Result<Place, Problem> {
        Ok(self.shared.answers.take(bytes_max)?)
    }

    /// Gives the ledger one command.
    pub(crate) async fn submit(&self, command: Command) -> Result<Outcome, Problem> {
        let name = command.name();
        let mut outcomes = self.give(Batch::one(command)).await?;
        let outcome = outcomes.pop().and_then(|mut batch| batch.pop());
        let Some(outcome) = outcome else {
            tracing::error!(
                command = name,
                "the engine answered the command {name} without an outcome"
            );
            return Err(errors::internal());
        };
        self.shared.metrics.count_outcome(name, &outcome);
        Ok(outcome)
    }

    /// Gives the ledger a batch; there is an outcome for each of its commands.
    pub(crate) async fn submit_batch(&self, batch: Batch) -> Result<Vec<Outcome>, Problem> {
        let names: Vec<_> = batch.commands().iter().map(Command::name).collect();
        let mut outcomes = self.give(batch).await?;
        let outcomes_count = outcomes.last().map_or(0, Vec::len);
        let outcomes = outcomes
            .pop()
            .filter(|outcomes| outcomes.len() == names.len());
        let Some(outcomes) = outcomes else {
            tracing::error!(
                commands = names.len(),
                outcomes = outcomes_count,
                "the engine answered a batch of {} commands with {outcomes_count} outcomes",
                names.len(),
            );
            return Err(errors::internal());
        };
        for (name, outcome) in names.into_iter().zip(&outcomes) {
            self.shared.metrics.count_outcome(name, outcome);
        }
        Ok(outcomes)
    }

    /// What the ledger would answer to one command.
    pub(crate) async fn preview(&self, command: Command) -> Result<Outcome, Problem> {
        let outcome = self.preview_batch(Batch::one(command)).await?.pop();
        outcome.ok_or_else(errors::internal)
    }

    /// What the ledger would answer to a batch that the caller may give.
    pub(crate) async fn preview_batch(&self, batch: Batch) -> Result<Vec<Outcome>, Problem> {
        let commands_count = batch.commands().len();
        let batches = vec![batch];
        self.check_commands(&batches).await?;
        let answer = self.try_ask(|engine, deadline| engine.preview(batches, deadline));
        let mut outcomes = answer.await.map_err(Problem::of_read)?;
        let outcomes = outcomes.pop().filter(|all| all.len() == commands_count);
        outcomes.ok_or_else(|| {
            tracing::error!("the engine previewed a batch without an outcome for each command");
            errors::internal()
        })
    }

    /// Gives the ledger a batch that the caller may give, and audits what is an operator's in it.
    async fn give(&self, batch: Batch) -> Result<Vec<Vec<Outcome>>, Problem> {
        let mut batches = vec![batch];
        self.check_commands(&batches).await?;
        self.shared.feed_turns.note_write();
        let audit = Audit::of(&self.caller, &batches);
        // Most calls have nothing of an operator's: nothing is made for them.
        if audit.is_some() {
            self.caller.sign(&mut batches);
        }
        let answer = self.try_ask(|engine, deadline| engine.submit(batches, deadline));
        let answer = answer.await;
        match (audit, &answer) {
            (None, _) => {}
            (Some(audit), Ok(outcomes)) => audit.report(outcomes.iter().flatten()),
            (Some(audit), Err(unavailable)) => audit.report_unavailable(*unavailable),
        }
        Ok(answer?)
    }

    async fn check_commands(&self, batches: &[Batch]) -> Result<(), Problem> {
        let (engine, deadline) = (&*self.shared.app.engine, self.engine_deadline());
        let checked = self.caller.check_commands(batches, engine, deadline).await;
        checked.map_err(|not_allowed| match not_allowed {
            NotAllowed::Denied(denied) => denied.into(),
            NotAllowed::NotFound(refusal) => Problem::from(&refusal),
            NotAllowed::Unavailable(unavailable) => Problem::of_read(unavailable),
        })
    }

    pub(crate) async fn account(&self, id: AccountId) -> Result<Option<Account>, Problem> {
        self.caller.check_account(&id)?;
        self.look(|engine, deadline| engine.account(id, deadline))
            .await
    }

    /// A page of the accounts that the caller may use.
    pub(crate) async fn accounts(&self, query: AccountsQuery) -> Result<AccountsPage, Problem> {
        self.look(|engine, deadline| Box::pin(self.caller.accounts(engine, query, deadline)))
            .await
    }

    pub(crate) async fn statement(
        &self,
        query: StatementQuery,
    ) -> Result<Option<Statement>, Problem> {
        self.caller.check_account(&query.account_id)?;
        self.look(|engine, deadline| engine.statement(query, deadline))
            .await
    }

    pub(crate) async fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
    ) -> Result<Option<BalanceAt>, Problem> {
        // A past balance of one of the system's accounts tells what was moved by others, and when.
        self.check_list_of(&id)?;
        self.look(|engine, deadline| engine.balance_at(id, at, deadline))
            .await
    }

    /// The newest time all of whose events can be read.
    pub(crate) async fn safe_time(&self) -> Result<Timestamp, Problem> {
        self.look(|engine, deadline| engine.safe_time(deadline))
            .await
    }

    /// The first outcomes of an atomic batch.
    pub(crate) async fn batch(&self, id: BatchId) -> Result<Option<Vec<Outcome>>, Problem> {
        let outcomes = self
            .look(|engine, deadline| engine.batch(id, deadline))
            .await?;
        if let Some(outcomes) = &outcomes {
            self.caller.check_outcomes(outcomes)?;
        }
        Ok(outcomes)
    }

    pub(crate) async fn transfer(&self, id: TransferId) -> Result<Option<UsedTransfer>, Problem> {
        let used = self
            .look(|engine, deadline| engine.transfer(id, deadline))
            .await?;
        if let Some(used) = &used {
            self.caller.check_used_transfer(used)?;
        }
        Ok(used)
    }

    /// How a pending transfer that stands so ended; the ledger is asked only where it has.
    pub(crate) async fn pending_end(
        &self,
        id: TransferId,
        standing: Standing,
    ) -> Result<Option<PendingEnd>, Problem> {
        if !standing.pending_state().is_some_and(PendingState::is_ended) {
            return Ok(None);
        }
        self.look(|engine, deadline| engine.pending_end(id, deadline))
            .await
    }

    /// A page of a list of transfers, those included that the caller may not see.
    pub(crate) async fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
    ) -> Result<Vec<ListedTransfer>, Problem> {
        self.look(|engine, deadline| engine.transfers(list, page, deadline))
            .await
    }

    /// A page of a list of payments, likewise.
    pub(crate) async fn payments(
        &self,
        list: PaymentList,
        page: ListPage,
    ) -> Result<Vec<Payment>, Problem> {
        self.look(|engine, deadline| engine.payments(list, page, deadline))
            .await
    }

    /// A page of the credit limits that an account was given.
    pub(crate) async fn limits(
        &self,
        id: AccountId,
        page: ListPage,
    ) -> Result<Vec<LimitChange>, Problem> {
        self.caller.check_account(&id)?;
        self.look(|engine, deadline| engine.limits(id, page, deadline))
            .await
    }

    /// Fails if the caller may not have the list of this account's transfers. Those of the system's accounts are others'
    /// too: a cursor would tell when they were.
    pub(crate) fn check_list_of(&self, id: &AccountId) -> Result<(), Problem> {
        match id.is_reserved() {
            true => self.check_all_accounts(),
            false => self.check_account(id),
        }
    }

    /// Whether half of the request's time is over: what is done in parts ends with what it has.
    pub(crate) fn is_half_over(&self) -> bool {
        let left = self.deadline().saturating_duration_since(Instant::now());
        left < self.started.elapsed()
    }

    /// Whether the caller may see a transfer: with one of its accounts that callers open.
    pub(crate) fn may_see_transfer(&self, transfer: &Transfer) -> bool {
        let Transfer {
            debit_account_id,
            credit_account_id,
            ..
        } = transfer;
        self.caller
            .may_look_at(&[debit_account_id, credit_account_id])
    }

    /// Turns of the streams of events.
    pub(crate) fn feed_turns(&self) -> FeedTurns {
        self.shared.feed_turns.clone()
    }

    /// How many requests wait for events or stream them.
    pub(crate) fn waits_count(&self) -> usize {
        WAITS_MAX - self.shared.waits.available_permits().min(WAITS_MAX)
    }

    /// A place among those that wait for events; `None` while there are too many.
    pub(crate) fn place_to_wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.waits).try_acquire_owned().ok()
    }

    /// Leaves an operation to be applied later; answers once it is durable here.
    pub(crate) async fn accept(&self, operation: Operation) -> Result<Accepted, Problem> {
        let operations = self.operations()?;
        self.check_commands(&[Batch::one(operation.command().clone())])
            .await?;
        let deadline = self.engine_deadline();
        match operations.accept(operation, deadline).await {
            Ok(accepted) => Ok(accepted),
            Err(NotAccepted::Refused(refusal)) => Err(Problem::from(&refusal)),
            Err(NotAccepted::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }

    /// Where operations are left; a problem where none are taken.
    pub(crate) fn operations(&self) -> Result<&dyn Operations, Problem> {
        let operations = self.shared.app.operations.as_deref();
        operations.ok_or_else(errors::operations_not_served)
    }

    /// How an operation stands where this node alone knows it.
    pub(crate) fn operation_here(&self, id: TransferId) -> Option<OperationState> {
        self.shared.app.operations.as_ref()?.state(id)
    }

    pub(crate) async fn payment(&self, id: PaymentId) -> Result<Option<UsedPayment>, Problem> {
        let used = self
            .look(|engine, deadline| engine.payment(id, deadline))
            .await?;
        if let Some(used) = &used {
            self.caller.check_used_payment(used)?;
        }
        Ok(used)
    }

    /// A page of the payments that are accepted or sent, those included that the caller may not see.
    pub(crate) async fn payments_due(&self, query: DueQuery) -> Result<Vec<Payment>, Problem> {
        self.look(|engine, deadline| engine.payments_due(query, deadline))
            .await
    }

    /// Whether the caller may see a payment: with its payer's account.
    pub(crate) fn may_see_payment(&self, payment: &Payment) -> bool {
        self.caller.may_use(&payment.payer())
    }

    pub(crate) async fn resolutions(&self, id: PaymentId) -> Result<Vec<Resolution>, Problem> {
        self.look(|engine, deadline| engine.resolutions(id, deadline))
            .await
    }

    /// What is known of payments where they are dispatched.
    pub(crate) async fn unsettled(&self, query: UnsettledQuery) -> Result<Vec<Unsettled>, Problem> {
        self.check_all_accounts()?;
        self.unsettled_until(query, self.engine_deadline()).await
    }

    /// The same as an extra to an answer, which waits at most 100 ms for it.
    pub(crate) async fn dispatched(
        &self,
        query: UnsettledQuery,
    ) -> Result<Vec<Unsettled>, Problem> {
        let deadline = self.engine_deadline().min(Instant::now() + DISPATCHED_WAIT);
        self.unsettled_until(query, deadline).await
    }

    async fn unsettled_until(
        &self,
        query: UnsettledQuery,
        deadline: Instant,
    ) -> Result<Vec<Unsettled>, Problem> {
        let Some(dispatching) = &self.shared.app.dispatching else {
            return Err(Problem::of_read(Unavailable::NotSupported));
        };
        let answer = dispatching.unsettled(query, deadline);
        let answer = tokio::time::timeout_at(deadline.into(), answer).await;
        answer
            .unwrap_or(Err(Unavailable::Timeout))
            .map_err(Problem::of_read)
    }

    pub(crate) async fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
    ) -> Result<Vec<ProcessorSummary>, Problem> {
        self.check_all_accounts()?;
        self.look(|engine, deadline| engine.payments_summary(from, to, deadline))
            .await
    }

    pub(crate) async fn newest_payment_accepted_at(&self) -> Result<Timestamp, Problem> {
        self.check_all_accounts()?;
        self.look(|engine, deadline| engine.newest_payment_accepted_at(deadline))
            .await
    }

    /// A page of events, which may be waited for beyond the time of a request; `None` where the position to begin at
    /// does not belong to this ledger.
    pub(crate) async fn events(&self, query: EventQuery) -> Result<Option<EventPage>, Problem> {
        let deadline = match query.wait_until {
            Some(until) => until.max(Instant::now()) + self.shared.app.limits.engine_timeout,
            None => self.engine_deadline(),
        };
        let answer = self.ask_until(deadline, |engine, deadline| engine.events(query, deadline));
        answer.await.map_err(Problem::of_read)
    }

    /// The endpoints of webhooks.
    pub(crate) async fn webhooks(&self) -> Result<Vec<EndpointStatus>, Problem> {
        let deadline = self.engine_deadline();
        let answer = self.endpoints()?.endpoints(deadline);
        answer.await.map_err(Problem::of_read)
    }

    /// Deliveries of an endpoint; `None` where there is no such endpoint.
    pub(crate) async fn deliveries(
        &self,
        query: DeliveriesQuery,
    ) -> Result<Option<Vec<Delivery>>, Problem> {
        let deadline = self.engine_deadline();
        let answer = self.endpoints()?.deliveries(query, deadline);
        answer.await.map_err(Problem::of_read)
    }

    /// Has an endpoint do what an operator asks for.
    pub(crate) async fn steer_webhook(
        &self,
        name: String,
        steering: Steering,
    ) -> Result<EndpointStatus, Problem> {
        let deadline = self.engine_deadline();
        let answer = self.endpoints()?.steer(name.clone(), steering, deadline);
        let answer = answer.await;
        let done = match &answer {
            Ok(Some(Ok(_))) => "done",
            Ok(None) => "webhook_not_found",
            Ok(Some(Err(NotSteered::PositionInvalid))) => "position_invalid",
            Ok(Some(Err(NotSteered::Stopped(_)))) => "webhook_stopped",
            Ok(Some(Err(NotSteered::Elsewhere(_)))) => "webhook_on_other_node",
            Err(unavailable) => unavailable.code(),
        };
        keys::report_steering(&self.caller, &name, steering, done);
        match answer? {
            Some(Ok(status)) => Ok(status),
            Some(Err(NotSteered::PositionInvalid)) => Err(errors::replay_position_invalid()),
            Some(Err(NotSteered::Stopped(why))) => Err(errors::webhook_stopped(why)),
            Some(Err(NotSteered::Elsewhere(node))) => Err(errors::webhook_on_other_node(node)),
            None => Err(errors::webhook_not_found()),
        }
    }

    /// Where processors report what they have decided.
    pub(crate) fn callbacks(&self) -> Result<&Callbacks, Problem> {
        let callbacks = self.shared.app.callbacks.as_ref();
        callbacks.ok_or_else(|| Problem {
            detail: "no processor of this server sends callbacks: send them to the process that has the processors, and \
                     name the secrets in callback_secret_files"
                .into(),
            ..Problem::of_read(Unavailable::NotSupported)
        })
    }

    /// Endpoints get events of all accounts: only callers for all of them may look, and steer.
    fn endpoints(&self) -> Result<&dyn Webhooks, Problem> {
        self.check_all_accounts()?;
        let webhooks = self.shared.app.webhooks.as_deref();
        webhooks.ok_or_else(|| Problem {
            detail:
                "webhooks are sent by the process that has the ledger in its data folder: ask it"
                    .into(),
            ..Problem::of_read(Unavailable::NotSupported)
        })
    }

    /// Fails if the caller may not use the account.
    pub(crate) fn check_account(&self, id: &AccountId) -> Result<(), Problem> {
        Ok(self.caller.check_account(id)?)
    }

    /// Whether the caller may use some accounts only.
    pub(crate) fn has_limited_accounts(&self) -> bool {
        self.caller.is_limited()
    }

    /// Whether the caller may see the event.
    pub(crate) fn may_see(&self, event: &Event) -> bool {
        self.caller.may_look_at_event(event)
    }

    pub(crate) fn is_purge_enabled(&self) -> bool {
        self.shared.app.is_purge_enabled
    }

    fn deadline(&self) -> Instant {
        self.started + self.shared.app.limits.request_timeout
    }

    fn engine_deadline(&self) -> Instant {
        (Instant::now() + self.shared.app.limits.engine_timeout).min(self.deadline())
    }

    /// Asks the engine what changes nothing.
    async fn look<'a, T>(
        &'a self,
        question: impl FnOnce(&'a dyn Engine, Instant) -> Answer<'a, T>,
    ) -> Result<T, Problem> {
        self.try_ask(question).await.map_err(Problem::of_read)
    }

    /// Asks the engine, and stops waiting at the deadline even where the engine does not.
    async fn try_ask<'a, T>(
        &'a self,
        question: impl FnOnce(&'a dyn Engine, Instant) -> Answer<'a, T>,
    ) -> Result<T, Unavailable> {
        self.ask_until(self.engine_deadline(), question).await
    }

    async fn ask_until<'a, T>(
        &'a self,
        deadline: Instant,
        question: impl FnOnce(&'a dyn Engine, Instant) -> Answer<'a, T>,
    ) -> Result<T, Unavailable> {
        let answer = question(&*self.shared.app.engine, deadline);
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(answered) => answered,
            Err(_) => Err(Unavailable::Timeout),
        }
    }
}
