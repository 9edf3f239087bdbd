//! The methods: each reads its question, asks the engine within the deadline, writes the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ledger::{
    ACCOUNTS_PAGE_MAX, Answer, BATCH_BYTES_MAX, Batch, Command, EVENTS_PAGE_MAX, Engine, EventPage,
    EventQuery, EventsFrom, Notes, PaymentList, REFERENCE_LENGTH_MAX, RESOLUTIONS_READ_MAX,
    STATEMENT_PAGE_MAX, Standing, TransferList, UNSETTLED_PAGE_MAX, Unavailable, UsedTransfer,
};
use proto::{GrpcCode, Message, Method, begin_frame, submit, v1};

use super::deadline;
use super::message::{self, Written, respond};
use super::shared::{GrpcFace, Shared};
use super::status::Status;
use crate::ending::Ending;
use crate::keys::{Access, Audit, Caller, Scope};
use crate::peer::Peer;
use crate::room::Place;
use crate::{panics, traced};

/// The most bytes of a record: the longest ids and numbers, and a description of characters of
/// four bytes.
const RECORD_BYTES_MAX: usize = PLAIN_BYTES_MAX + NOTES_BYTES_MAX;
/// Of that what every record has.
const PLAIN_BYTES_MAX: usize = 1024;
/// Of that a reference and metadata; on the wire a pair of texts may take a few bytes more than as JSON.
const NOTES_BYTES_MAX: usize = Notes::SIZE_BYTES_MAX + 256;
/// How many due payments are given at most.
const DUE_PAGE_MAX: usize = 10_000;
/// How many bytes of records a page of events has at most.
const EVENTS_BYTES_MAX: usize = 1 << 20;
/// How long before its deadline a call that waits is answered.
const WAIT_MARGIN: Duration = Duration::from_millis(100);
/// The most bytes of a summary: 64 processors.
const SUMMARY_BYTES_MAX: usize = 8 * 1024;

pub(super) fn router(face: Arc<GrpcFace>) -> Router {
    macro_rules! routes {
        ($($method:ident => $handler:ident;)*) => {{
            // A method without a route does not compile.
            const _: fn(Method) = |method| match method {
                $(Method::$method => {})*
            };
            Router::new()$(.route(
                Method::$method.path(),
                post(|State(face): State<Arc<GrpcFace>>, request: Request| {
                    unary(face, Method::$method, request, $handler)
                }),
            ))*
        }};
    }
    let router = routes! {
        Submit => submit;
        GetAccount => account;
        GetStatement => statement;
        GetBalanceAt => balance_at;
        GetSafeTime => safe_time;
        GetTransfer => transfer;
        GetPayment => payment;
        GetPaymentsSummary => payments_summary;
        ListPaymentsDue => payments_due;
        ListResolutions => resolutions;
        ListUnsettledPayments => unsettled_payments;
        GetClock => clock;
        GetNewestPayment => newest_payment;
        Preview => preview;
        ListAccounts => accounts;
        GetBatch => batch;
        ListEvents => events;
        ListTransfers => transfers;
        ListLimits => limits;
        ListPayments => payments;
    };
    router.with_state(face)
}

/// A call in progress, its message read.
struct Call {
    shared: Arc<Shared>,
    caller: Caller,
    message: message::Message,
    deadline: Instant,
    /// When the server stops, for a call that may wait.
    ending: Ending,
}

/// What a method answers.
type Answered = Result<Written, Status>;

async fn unary<F>(
    face: Arc<GrpcFace>,
    method: Method,
    request: Request,
    handler: impl Fn(Call) -> F,
) -> Response
where
    F: Future<Output = Answered>,
{
    let started = Instant::now();
    if !is_grpc(&request) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let mut spans = trace::Spans::default();
    let answering = async {
        let (headers, peer) = (request.headers(), Peer::of(request.extensions()));
        let caller = face.keys().admit(headers, peer, access(method), false);
        let caller = caller.map_err(|turned_away| turned_away.denied)?;
        spans = traced::begin_grpc(headers, method, started);
        let shared = face.shared().ok_or(Unavailable::Opening)?;
        let call = receive(Arc::clone(shared), caller, method, request, started).await?;
        trace::within(spans.places(), handler(call)).await
    };
    let answered = panics::caught(answering).await.unwrap_or_else(|text| {
        tracing::error!(
            method = method.name(),
            "a gRPC method panicked and its call was answered with INTERNAL: {text}"
        );
        Err(Status::internal())
    });
    let code = answered
        .as_ref()
        .err()
        .map_or(GrpcCode::Ok, |status| status.code);
    let response = respond(answered);
    face.metrics.count_call(method, code, started.elapsed());
    traced::end_grpc(spans, method, code);
    response
}

/// What each method asks of its callers, where keys are asked for.
const fn access(method: Method) -> Access {
    match method {
        Method::Submit | Method::Preview => Access::Commands,
        Method::GetAccount
        | Method::GetStatement
        | Method::GetBalanceAt
        | Method::GetSafeTime
        | Method::GetTransfer
        | Method::GetPayment
        | Method::GetPaymentsSummary
        | Method::ListPaymentsDue
        | Method::ListResolutions
        | Method::ListUnsettledPayments
        | Method::ListAccounts
        | Method::GetBatch
        | Method::ListTransfers
        | Method::ListLimits
        | Method::ListPayments
        | Method::ListEvents => Access::Scope(Scope::Read),
        // It is asked for a purge alone.
        Method::GetNewestPayment => Access::Scope(Scope::Operate),
        // Each node asks it, whatever it may do.
        Method::GetClock => Access::AnyKey,
    }
}

fn is_grpc(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

async fn receive(
    shared: Arc<Shared>,
    caller: Caller,
    method: Method,
    request: Request,
    started: Instant,
) -> Result<Call, Status> {
    let limits = &shared.limits;
    let deadline = deadline::deadline(request.headers(), started, limits, shared.clock)?;
    let bytes_max = match method {
        Method::Submit | Method::Preview => submit::REQUEST_BYTES_MAX,
        _ => limits.question_bytes_max,
    };
    let arrived_by = deadline.min(started + limits.message_timeout);
    let room = match method {
        Method::GetClock => &shared.clock_messages,
        _ => &shared.messages,
    };
    let ending = Ending::of(&request);
    let message = message::read(request.into_body(), bytes_max, room, arrived_by);
    let message = message.await?;
    // What arrives as a whole only after its deadline is not begun.
    if deadline <= Instant::now() {
        return Err(Status::late());
    }
    Ok(Call {
        shared,
        caller,
        message,
        deadline,
        ending,
    })
}

impl Call {
    fn question<Q: Message + Default>(&self) -> Result<Q, Status> {
        Q::decode(&*self.message).map_err(|_| proto::Invalid::Malformed.into())
    }

    /// Reserves room for an answer of at most so many bytes. It is reserved before the engine is asked: the
    /// outcome of what was done must be answered.
    fn place(&self, bytes_max: usize) -> Result<Place, Status> {
        Ok(self.shared.answers.take(bytes_max)?)
    }

    /// Asks the engine, and stops waiting at the deadline even where the engine does not.
    async fn ask<'a, T>(
        &'a self,
        question: impl FnOnce(&'a dyn Engine, Instant) -> Answer<'a, T>,
    ) -> Result<T, Status> {
        Ok(self.try_ask(question).await?)
    }

    /// Events without a wait, and the place of their answer.
    async fn events(&self, query: EventQuery) -> Result<Option<(EventPage, Place)>, Status> {
        // On the wire an event has its position, and numbers and ids take a few bytes more than in its record.
        let place = self.place(2 * query.bytes_max + query.limit * 256 + 2 * RECORD_BYTES_MAX)?;
        let page = self
            .ask(|engine, deadline| engine.events(query, deadline))
            .await?;
        Ok(page.map(|page| (page, place)))
    }

    async fn try_ask<'a, T>(
        &'a self,
        question: impl FnOnce(&'a dyn Engine, Instant) -> Answer<'a, T>,
    ) -> Result<T, Unavailable> {
        let answer = question(&*self.shared.app.engine, self.deadline);
        match tokio::time::timeout_at(self.deadline.into(), answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Unavailable::Timeout),
        }
    }
}

/// An answer, in its place.
fn written(place: Place, answer: &impl Message) -> Answered {
    let mut message = begin_frame();
    // A vector grows: writing to it cannot fail.
    let _ = answer.encode(&mut message);
    Ok(Written { message, place })
}

/// The most bytes of an answer to these commands.
fn answer_bytes_max<'a>(commands: impl Iterator<Item = &'a Command>) -> usize {
    // What was asked for is not repeated in the answer to a transfer.
    let of_one = |command: &Command| match command.move_money() {
        Some(_) => 256,
        None if command.is_of_payments() => RECORD_BYTES_MAX,
        // What ends a pending transfer has its reference.
        None => PLAIN_BYTES_MAX + 4 * REFERENCE_LENGTH_MAX,
    };
    commands.map(of_one).sum()
}

async fn submit(mut call: Call) -> Answered {
    let mut batches = submit::read_request(&call.message)?;
    call.message.let_go();
    let commands = || batches.iter().flat_map(Batch::commands);
    call.shared.permits.check(commands())?;
    let (engine, deadline) = (&*call.shared.app.engine, call.deadline);
    let checked = call.caller.check_commands(&batches, engine, deadline);
    checked.await?;
    let names: Vec<&'static str> = commands().map(Command::name).collect();
    let place = call.place(answer_bytes_max(commands()))?;
    let audit = Audit::of(&call.caller, &batches);
    if audit.is_some() {
        call.caller.sign(&mut batches);
    }
    let answer = call.try_ask(|engine, deadline| engine.submit(batches, deadline));
    let answer = answer.await;
    match (audit, &answer) {
        (None, _) => {}
        (Some(audit), Ok(outcomes)) => audit.report(outcomes.iter().flatten()),
        (Some(audit), Err(unavailable)) => audit.report_unavailable(*unavailable),
    }
    let outcomes = answer?;
    let metrics = &call.shared.metrics;
    metrics.count_outcomes(&names, outcomes.iter().flatten());
    let mut message = begin_frame();
    submit::write_response(&outcomes, &mut message);
    Ok(Written { message, place })
}

async fn preview(mut call: Call) -> Answered {
    let batches = submit::read_request(&call.message)?;
    call.message.let_go();
    let commands = || batches.iter().flat_map(Batch::commands);
    call.shared.permits.check(commands())?;
    let (engine, deadline) = (&*call.shared.app.engine, call.deadline);
    let checked = call.caller.check_commands(&batches, engine, deadline);
    checked.await?;
    let place = call.place(answer_bytes_max(commands()))?;
    let outcomes = call
        .ask(|engine, deadline| engine.preview(batches, deadline))
        .await?;
    let mut message = begin_frame();
    submit::write_response(&outcomes, &mut message);
    Ok(Written { message, place })
}

async fn account(call: Call) -> Answered {
    let id = call.question::<v1::GetAccountRequest>()?.read()?;
    call.caller.check_account(&id)?;
    let of = id.clone();
    let place = call.place(RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.account(of, deadline))
        .await?;
    written(place, &v1::GetAccountResponse::of(&id, answer))
}

async fn accounts(call: Call) -> Answered {
    let mut query = call.question::<v1::ListAccountsRequest>()?.read()?;
    query.limit = query.limit.clamp(1, ACCOUNTS_PAGE_MAX);
    let place = call.place((1 + query.limit) * PLAIN_BYTES_MAX)?;
    let page = call.ask(|engine, deadline| Box::pin(call.caller.accounts(engine, query, deadline)));
    written(place, &v1::ListAccountsResponse::from(&page.await?))
}

async fn transfers(call: Call) -> Answered {
    let (list, mut page) = call.question::<v1::ListTransfersRequest>()?.read()?;
    match &list {
        // A page that is not full is the last: what a caller may not see cannot be left out of one.
        TransferList::Of(id) if !id.is_reserved() => call.caller.check_account(id)?,
        TransferList::Of(_) | TransferList::With(_) => call.caller.check_all()?,
    }
    page.limit = page.limit();
    let place = call.place((1 + page.limit) * RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.transfers(list, page, deadline))
        .await?;
    written(place, &v1::ListTransfersResponse::from(&*answer))
}

async fn limits(call: Call) -> Answered {
    let (id, mut page) = call.question::<v1::ListLimitsRequest>()?.read()?;
    call.caller.check_account(&id)?;
    page.limit = page.limit();
    let place = call.place((1 + page.limit) * RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.limits(id, page, deadline))
        .await?;
    written(place, &v1::ListLimitsResponse::from(&*answer))
}

async fn payments(call: Call) -> Answered {
    let (list, mut page) = call.question::<v1::ListPaymentsRequest>()?.read()?;
    match &list {
        PaymentList::Of(id) => call.caller.check_account(id)?,
        PaymentList::All
        | PaymentList::With(_)
        | PaymentList::SettledBy(_)
        | PaymentList::Refused => call.caller.check_all()?,
    }
    page.limit = page.limit();
    let place = call.place((1 + page.limit) * RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.payments(list, page, deadline))
        .await?;
    written(place, &v1::ListPaymentsResponse::from(&*answer))
}

async fn batch(call: Call) -> Answered {
    let id = call.question::<v1::GetBatchRequest>()?.read()?;
    let mut place = call.place(BATCH_BYTES_MAX)?;
    let outcomes = call
        .ask(|engine, deadline| engine.batch(id, deadline))
        .await?;
    if let Some(outcomes) = &outcomes {
        call.caller.check_outcomes(outcomes)?;
    }
    let answer = v1::GetBatchResponse::of(outcomes.as_deref());
    place.grow_to(answer.encoded_len())?;
    written(place, &answer)
}

async fn statement(call: Call) -> Answered {
    let mut query = call.question::<v1::GetStatementRequest>()?.read()?;
    query.limit = query.limit.min(STATEMENT_PAGE_MAX);
    let id = query.account_id.clone();
    call.caller.check_account(&id)?;
    let place = call.place((1 + query.limit) * RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.statement(query, deadline))
        .await?;
    written(place, &v1::GetStatementResponse::of(&id, answer.as_ref()))
}

async fn balance_at(call: Call) -> Answered {
    let (id, at) = call.question::<v1::GetBalanceAtRequest>()?.read()?;
    // A past balance of one of the system's accounts tells what was moved by others, and when.
    match id.is_reserved() {
        true => call.caller.check_all()?,
        false => call.caller.check_account(&id)?,
    }
    let place = call.place(RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.balance_at(id, at, deadline))
        .await?;
    written(place, &v1::GetBalanceAtResponse::from(answer))
}

async fn safe_time(call: Call) -> Answered {
    call.question::<v1::GetSafeTimeRequest>()?;
    let place = call.place(RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.safe_time(deadline))
        .await?;
    let safe_time = answer.as_nanos();
    written(place, &v1::GetSafeTimeResponse { safe_time })
}

async fn transfer(call: Call) -> Answered {
    let id = call.question::<v1::GetTransferRequest>()?.read()?;
    let place = call.place(RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.transfer(id, deadline))
        .await?;
    if let Some(used) = &answer {
        call.caller.check_used_transfer(used)?;
    }
    let end = match &answer {
        Some(UsedTransfer::Created(_, Standing::Pending { state, .. })) if state.is_ended() => {
            call.ask(|engine, deadline| engine.pending_end(id, deadline))
                .await?
        }
        Some(UsedTransfer::Created(..) | UsedTransfer::Refused(..) | UsedTransfer::Payment(_))
        | None => None,
    };
    written(place, &v1::GetTransferResponse::of(answer.as_ref(), end))
}

async fn payment(call: Call) -> Answered {
    let id = call.question::<v1::GetPaymentRequest>()?.read()?;
    let place = call.place(RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.payment(id, deadline))
        .await?;
    if let Some(used) = &answer {
        call.caller.check_used_payment(used)?;
    }
    written(place, &v1::GetPaymentResponse::from(answer.as_ref()))
}

async fn payments_summary(call: Call) -> Answered {
    let (from, to) = call.question::<v1::GetPaymentsSummaryRequest>()?.read();
    call.caller.check_all()?;
    let place = call.place(SUMMARY_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.payments_summary(from, to, deadline))
        .await?;
    written(place, &v1::GetPaymentsSummaryResponse::from(&*answer))
}

async fn payments_due(call: Call) -> Answered {
    let mut query = call.question::<v1::ListPaymentsDueRequest>()?.read()?;
    call.caller.check_all()?;
    query.limit = query.limit.min(DUE_PAGE_MAX);
    let place = call.place(query.limit * RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.payments_due(query, deadline))
        .await?;
    written(place, &v1::ListPaymentsDueResponse::from(&*answer))
}

async fn newest_payment(call: Call) -> Answered {
    call.question::<v1::GetNewestPaymentRequest>()?;
    call.caller.check_all()?;
    // Over PostgreSQL it waits until no payment is being accepted, and holds up those that come.
    call.shared.permits.check_purge()?;
    let place = call.place(RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.newest_payment_accepted_at(deadline))
        .await?;
    let accepted_at = answer.as_nanos();
    written(place, &v1::GetNewestPaymentResponse { accepted_at })
}

async fn resolutions(call: Call) -> Answered {
    let id = call.question::<v1::ListResolutionsRequest>()?.read()?;
    call.caller.check_all()?;
    let place = call.place(RESOLUTIONS_READ_MAX * 2 * RECORD_BYTES_MAX)?;
    let answer = call
        .ask(|engine, deadline| engine.resolutions(id, deadline))
        .await?;
    written(place, &v1::ListResolutionsResponse::from(&*answer))
}

async fn unsettled_payments(call: Call) -> Answered {
    let mut query = call
        .question::<v1::ListUnsettledPaymentsRequest>()?
        .read()?;
    call.caller.check_all()?;
    query.limit = query.limit.min(UNSETTLED_PAGE_MAX);
    let place = call.place((1 + query.limit) * 2 * RECORD_BYTES_MAX)?;
    let Some(dispatching) = &call.shared.app.dispatching else {
        return Err(Unavailable::NotSupported.into());
    };
    let answer = dispatching.unsettled(query, call.deadline);
    let answer = tokio::time::timeout_at(call.deadline.into(), answer).await;
    let answer = answer.unwrap_or(Err(Unavailable::Timeout))?;
    written(place, &v1::ListUnsettledPaymentsResponse::from(&*answer))
}

async fn events(call: Call) -> Answered {
    let mut query = call
        .question::<v1::ListEventsRequest>()?
        .read(Instant::now())?;
    call.caller.check_all()?;
    query.limit = query.limit.min(EVENTS_PAGE_MAX);
    query.bytes_max = query.bytes_max.min(EVENTS_BYTES_MAX);
    let wait_until = query.wait_until.take();
    let mut answer = call.events(query).await?;
    let begun = answer.as_ref().filter(|(page, _)| page.events.is_empty());
    let begun = begun.map(|(page, _)| EventsFrom::After(page.next));
    // Where too many wait already the answer comes at once: who wants more asks again.
    if let (Some(from), Some(until)) = (begun, wait_until)
        && let Ok(_waits) = call.shared.waits.try_acquire()
    {
        // Who waits holds no room. What it is woken by is read again, with what came meanwhile.
        drop(answer);
        query.from = from;
        let latest = call.deadline.checked_sub(WAIT_MARGIN);
        let first = EventQuery {
            limit: 1,
            bytes_max: 1,
            wait_until: latest.map(|latest| latest.min(until)),
            ..query
        };
        let mut ending = call.ending.clone();
        let waiting = call.ask(|engine, deadline| engine.events(first, deadline));
        ending.unless_here(waiting).await.transpose()?;
        answer = call.events(query).await?;
    }
    match answer {
        Some((page, place)) => written(place, &v1::ListEventsResponse::from(Some(&page))),
        None => {
            let place = call.place(RECORD_BYTES_MAX)?;
            written(place, &v1::ListEventsResponse::from(None))
        }
    }
}

async fn clock(call: Call) -> Answered {
    call.question::<v1::GetClockRequest>()?;
    let clock = call.shared.clock;
    // A node that checks whether the ledger lives is answered even while there is no room for more.
    let place = call.shared.answers.place();
    let now_us = u64::try_from(clock.now().as_micros());
    let answer = v1::GetClockResponse {
        clock_id: clock.id(),
        now_us: now_us.map_err(|_| Status::internal())?,
        ledger_id: match call.shared.app.ledger_id {
            Some(id) => id.to_bytes().to_vec(),
            None => Vec::new(),
        },
    };
    written(place, &answer)
}
