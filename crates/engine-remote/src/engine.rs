//! The engine as callers hold it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use ledger::{
    Account, AccountId, AccountsPage, AccountsQuery, Answer, BalanceAt, Batch, BatchId,
    Dispatching, DueQuery, Engine, EventPage, EventQuery, LedgerId, LimitChange, ListPage,
    ListedTransfer, Millis, Outcome, Payment, PaymentId, PaymentList, PendingEnd, ProcessorSummary,
    Resolution, Statement, StatementQuery, Timestamp, TransferId, TransferList, Unavailable,
    Unsettled, UnsettledQuery, UsedPayment, UsedTransfer,
};
use proto::{Invalid, Message, Method, submit, v1};
use tokio::sync::Semaphore;

use crate::address::LedgerAddress;
use crate::gather::{Gather, Line, Parcel};
use crate::key::LedgerKey;
use crate::link::{Keeper, Link, Target, link};
use crate::metrics::Metrics;
use crate::tls::Tls;

/// How the ledger is spoken with.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// TLS, where it is spoken.
    pub tls: Option<Tls>,
    /// The key that the ledger node asks for, if it does.
    pub key: Option<LedgerKey>,
    /// The one ledger that is used: a ledger node that has another one, or does not say which it has, is not.
    pub expected_ledger: Option<LedgerId>,
    /// About how many bytes may wait for a call; more are `overloaded`.
    pub queue_bytes_max: usize,
    /// How many writing calls may be in flight.
    pub calls_max: usize,
    /// How many reads may be in flight; more are `overloaded`.
    pub reads_max: usize,
    /// How many of them may wait for events; more are answered without waiting. Fewer than a connection has
    /// streams, so that those who wait hold up nobody else.
    pub waits_max: usize,
    /// How long a lost connection is waited for before everything is `ledger_unavailable` at once.
    pub patience: Duration,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            tls: None,
            key: None,
            expected_ledger: None,
            queue_bytes_max: 32 << 20,
            calls_max: 4,
            reads_max: 1_024,
            waits_max: 512,
            patience: Duration::from_millis(500),
        }
    }
}

/// The ledger of another process. Dropping it answers what is under way with `ledger_unavailable`.
pub struct RemoteEngine {
    gather: Arc<Gather>,
    link: Link,
    reads: Semaphore,
    waits: Semaphore,
    metrics: Arc<Metrics>,
    _keeper: Keeper,
}

impl RemoteEngine {
    /// An engine over the ledger at this address, which need not be up yet. Needs a tokio runtime
    /// with time and network.
    #[must_use]
    pub fn new(address: LedgerAddress, options: RemoteOptions) -> Self {
        let metrics = Arc::new(Metrics::new());
        let target = Target {
            address,
            tls: options.tls,
            key: options.key,
            expected: options.expected_ledger,
        };
        let (link, keeper) = link(target, options.patience, Arc::clone(&metrics));
        let gather = Gather::new(
            link.clone(),
            options.queue_bytes_max,
            options.calls_max,
            Arc::clone(&metrics),
        );
        Self {
            gather,
            link,
            reads: Semaphore::new(options.reads_max.min(Semaphore::MAX_PERMITS)),
            waits: Semaphore::new(options.waits_max.min(Semaphore::MAX_PERMITS)),
            metrics,
            _keeper: keeper,
        }
    }

    /// Whether the ledger is connected and answers.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.link.is_up()
    }

    /// Whether the ledger node has another ledger than [`RemoteOptions::expected_ledger`]; then nothing is sent to it.
    #[must_use]
    pub fn meets_other_ledger(&self) -> bool {
        self.link.meets_other()
    }

    /// Which ledger it is, while it is connected; an older ledger node does not say it.
    #[must_use]
    pub fn ledger_id(&self) -> Option<LedgerId> {
        self.link.ledger_id()
    }

    async fn write(
        &self,
        batches: Vec<Batch>,
        deadline: Instant,
    ) -> Result<Vec<Vec<Outcome>>, Unavailable> {
        if fits_one_call(&batches) {
            return self.write_once(batches, deadline).await;
        }
        // More than one call takes: in parts, in order.
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            match self.write_once(vec![batch], deadline).await {
                Ok(answer) => outcomes.extend(answer),
                Err(reason) if outcomes.is_empty() => return Err(reason),
                // Of the whole it is not true any more that nothing was done.
                Err(reason) => return Err(reason.after_unknown_attempt()),
            }
        }
        Ok(outcomes)
    }

    async fn write_once(
        &self,
        batches: Vec<Batch>,
        deadline: Instant,
    ) -> Result<Vec<Vec<Outcome>>, Unavailable> {
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        if deadline <= Instant::now() {
            return Err(Unavailable::Overloaded);
        }
        if self.link.is_known_down() {
            return Err(Unavailable::LedgerUnavailable);
        }
        let mut message = Vec::new();
        submit::write_request(&batches, &mut message);
        let answered = self.gather.push(Parcel {
            message,
            batches_count: batches.len(),
            commands_count: commands_count(&batches),
            repeatable: batches.iter().all(Batch::is_repeatable),
            line: Line::of(&batches),
            deadline,
            places: trace::places(),
        })?;
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(Ok(answer))) => {
                submit::read_response(&answer, batches).map_err(|invalid| not_understood(&invalid))
            }
            Ok(Ok(Err(unavailable))) => Err(unavailable),
            Ok(Err(_)) => Err(Unavailable::LedgerUnavailable),
            Err(_) => Err(Unavailable::Timeout),
        }
    }

    /// In a call of its own: nobody else's commands come before.
    async fn preview(
        &self,
        batches: Vec<Batch>,
        deadline: Instant,
    ) -> Result<Vec<Vec<Outcome>>, Unavailable> {
        // In parts, a part would not see what the one before would have done.
        if !fits_one_call(&batches) {
            return Err(Unavailable::NotSupported);
        }
        let mut message = proto::begin_frame();
        submit::write_request(&batches, &mut message);
        let answer = self
            .ask(&self.reads, Method::Preview, message, deadline)
            .await?;
        submit::read_response(&answer, batches).map_err(|invalid| not_understood(&invalid))
    }

    /// Events, which are waited for where there is a place to wait.
    async fn list_events(
        &self,
        mut query: EventQuery,
        deadline: Instant,
    ) -> Result<Option<EventPage>, Unavailable> {
        let may_wait = query.wait_until.is_some() && self.waits.available_permits() > 0;
        let places = if may_wait {
            &self.waits
        } else {
            query.wait_until = None;
            &self.reads
        };
        let question = v1::ListEventsRequest::of(&query, Instant::now());
        let read = v1::ListEventsResponse::read;
        self.read_in(places, Method::ListEvents, question, deadline, read)
            .await
    }

    /// A read: question and answer are one message each.
    async fn read<Q: Message, A: Message + Default, T>(
        &self,
        method: Method,
        question: Q,
        deadline: Instant,
        read: impl FnOnce(A) -> Result<T, Invalid>,
    ) -> Result<T, Unavailable> {
        self.read_in(&self.reads, method, question, deadline, read)
            .await
    }

    async fn read_in<Q: Message, A: Message + Default, T>(
        &self,
        places: &Semaphore,
        method: Method,
        question: Q,
        deadline: Instant,
        read: impl FnOnce(A) -> Result<T, Invalid>,
    ) -> Result<T, Unavailable> {
        let mut message = proto::begin_frame();
        // A vector grows: writing to it cannot fail.
        let _ = question.encode(&mut message);
        A::decode(self.ask(places, method, message, deadline).await?)
            .map_err(|_| Invalid::Malformed)
            .and_then(read)
            .map_err(|invalid| not_understood(&invalid))
    }
}

impl RemoteEngine {
    /// Asks with a message that was begun as a frame.
    async fn ask(
        &self,
        places: &Semaphore,
        method: Method,
        mut message: Vec<u8>,
        deadline: Instant,
    ) -> Result<Bytes, Unavailable> {
        let Ok(_place) = places.try_acquire() else {
            return Err(Unavailable::Overloaded);
        };
        if self.link.is_known_down() {
            return Err(Unavailable::LedgerUnavailable);
        }
        proto::finish_frame(&mut message);
        let asked = self
            .link
            .ask(method, message.into(), deadline, &self.metrics);
        asked.await
    }
}

impl Dispatching for RemoteEngine {
    fn unsettled(&self, query: UnsettledQuery, deadline: Instant) -> Answer<'_, Vec<Unsettled>> {
        let question = v1::ListUnsettledPaymentsRequest::from(&query);
        let read = v1::ListUnsettledPaymentsResponse::read;
        Box::pin(self.read(Method::ListUnsettledPayments, question, deadline, read))
    }
}

fn commands_count(batches: &[Batch]) -> usize {
    batches.iter().map(|batch| batch.commands().len()).sum()
}

fn fits_one_call(batches: &[Batch]) -> bool {
    let size_bytes: usize = batches.iter().map(Batch::size_bytes).sum();
    size_bytes <= submit::REQUEST_BYTES_MAX
        && commands_count(batches) <= submit::REQUEST_COMMANDS_MAX
}

fn not_understood(invalid: &Invalid) -> Unavailable {
    tracing::error!(%invalid, "cannot read an answer of the ledger node: {invalid}");
    Unavailable::LedgerUnavailable
}

fn id_of(id: &AccountId) -> String {
    id.as_str().to_owned()
}

impl Engine for RemoteEngine {
    fn submit(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        Box::pin(self.write(batches, deadline))
    }

    fn preview(&self, batches: Vec<Batch>, deadline: Instant) -> Answer<'_, Vec<Vec<Outcome>>> {
        Box::pin(Self::preview(self, batches, deadline))
    }

    fn account(&self, id: AccountId, deadline: Instant) -> Answer<'_, Option<Account>> {
        let question = v1::GetAccountRequest { id: id_of(&id) };
        let read = v1::GetAccountResponse::read;
        Box::pin(self.read(Method::GetAccount, question, deadline, read))
    }

    fn statement(&self, query: StatementQuery, deadline: Instant) -> Answer<'_, Option<Statement>> {
        let question = v1::GetStatementRequest::from(&query);
        let read = v1::GetStatementResponse::read;
        Box::pin(self.read(Method::GetStatement, question, deadline, read))
    }

    fn balance_at(
        &self,
        id: AccountId,
        at: Timestamp,
        deadline: Instant,
    ) -> Answer<'_, Option<BalanceAt>> {
        let question = v1::GetBalanceAtRequest::of(&id, at);
        let read = |answer: v1::GetBalanceAtResponse| Ok(answer.read());
        Box::pin(self.read(Method::GetBalanceAt, question, deadline, read))
    }

    fn safe_time(&self, deadline: Instant) -> Answer<'_, Timestamp> {
        let question = v1::GetSafeTimeRequest {};
        let read = |answer: v1::GetSafeTimeResponse| Ok(Timestamp::from_nanos(answer.safe_time));
        Box::pin(self.read(Method::GetSafeTime, question, deadline, read))
    }

    fn transfer(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<UsedTransfer>> {
        let id = id.to_bytes().to_vec();
        let question = v1::GetTransferRequest { id };
        let read = v1::GetTransferResponse::read;
        Box::pin(self.read(Method::GetTransfer, question, deadline, read))
    }

    fn pending_end(&self, id: TransferId, deadline: Instant) -> Answer<'_, Option<PendingEnd>> {
        let id = id.to_bytes().to_vec();
        let question = v1::GetTransferRequest { id };
        let read = v1::GetTransferResponse::read_end;
        Box::pin(self.read(Method::GetTransfer, question, deadline, read))
    }

    fn payment(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Option<UsedPayment>> {
        let id = id.to_bytes().to_vec();
        let question = v1::GetPaymentRequest { id };
        let read = v1::GetPaymentResponse::read;
        Box::pin(self.read(Method::GetPayment, question, deadline, read))
    }

    fn resolutions(&self, id: PaymentId, deadline: Instant) -> Answer<'_, Vec<Resolution>> {
        let payment_id = id.to_bytes().to_vec();
        let question = v1::ListResolutionsRequest { payment_id };
        let read = v1::ListResolutionsResponse::read;
        Box::pin(self.read(Method::ListResolutions, question, deadline, read))
    }

    fn payments_summary(
        &self,
        from: Option<Millis>,
        to: Option<Millis>,
        deadline: Instant,
    ) -> Answer<'_, Vec<ProcessorSummary>> {
        let question = v1::GetPaymentsSummaryRequest::of(from, to);
        let read = v1::GetPaymentsSummaryResponse::read;
        Box::pin(self.read(Method::GetPaymentsSummary, question, deadline, read))
    }

    fn payments_due(&self, query: DueQuery, deadline: Instant) -> Answer<'_, Vec<Payment>> {
        let question = v1::ListPaymentsDueRequest::from(query);
        let read = v1::ListPaymentsDueResponse::read;
        Box::pin(self.read(Method::ListPaymentsDue, question, deadline, read))
    }

    fn newest_payment_accepted_at(&self, deadline: Instant) -> Answer<'_, Timestamp> {
        let question = v1::GetNewestPaymentRequest {};
        let read =
            |answer: v1::GetNewestPaymentResponse| Ok(Timestamp::from_nanos(answer.accepted_at));
        Box::pin(self.read(Method::GetNewestPayment, question, deadline, read))
    }

    fn accounts(&self, query: AccountsQuery, deadline: Instant) -> Answer<'_, AccountsPage> {
        let question = v1::ListAccountsRequest::from(&query);
        let read = v1::ListAccountsResponse::read;
        Box::pin(self.read(Method::ListAccounts, question, deadline, read))
    }

    fn batch(&self, id: BatchId, deadline: Instant) -> Answer<'_, Option<Vec<Outcome>>> {
        let id = id.to_bytes().to_vec();
        let question = v1::GetBatchRequest { id };
        let read = v1::GetBatchResponse::read;
        Box::pin(self.read(Method::GetBatch, question, deadline, read))
    }

    fn transfers(
        &self,
        list: TransferList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<ListedTransfer>> {
        let question = v1::ListTransfersRequest::of(&list, &page);
        let read = v1::ListTransfersResponse::read;
        Box::pin(self.read(Method::ListTransfers, question, deadline, read))
    }

    fn payments(
        &self,
        list: PaymentList,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<Payment>> {
        let question = v1::ListPaymentsRequest::of(&list, &page);
        let read = v1::ListPaymentsResponse::read;
        Box::pin(self.read(Method::ListPayments, question, deadline, read))
    }

    fn limits(
        &self,
        id: AccountId,
        page: ListPage,
        deadline: Instant,
    ) -> Answer<'_, Vec<LimitChange>> {
        let question = v1::ListLimitsRequest::of(&id, &page);
        let read = v1::ListLimitsResponse::read;
        Box::pin(self.read(Method::ListLimits, question, deadline, read))
    }

    fn events(&self, query: EventQuery, deadline: Instant) -> Answer<'_, Option<EventPage>> {
        Box::pin(self.list_events(query, deadline))
    }
}
