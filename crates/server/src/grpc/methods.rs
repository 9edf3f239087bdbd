//! The methods: each reads its question, asks the engine within the deadline, writes the answer.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ledger::{Answer, Batch, Engine, Unavailable};
use proto::{GrpcCode, Message, submit, v1};

use super::measure::Method;
use super::message::{self, begin, respond};
use super::status::Status;
use super::{Shared, deadline};
use crate::panics;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    macro_rules! routes {
        ($($method:ident => $handler:ident;)*) => {
            Router::new()$(.route(
                &format!("/{}/{}", proto::SERVICE, Method::$method.name()),
                post(|State(shared): State<Arc<Shared>>, request: Request| {
                    unary(shared, Method::$method, request, $handler)
                }),
            ))*
        };
    }
    let router = routes! {
        SUBMIT => submit;
        GET_ACCOUNT => account;
        GET_STATEMENT => statement;
        GET_BALANCE_AT => balance_at;
        GET_TRANSFER => transfer;
        GET_PAYMENT => payment;
        GET_PAYMENTS_SUMMARY => payments_summary;
        LIST_PAYMENTS_DUE => payments_due;
        LIST_RESOLUTIONS => resolutions;
        GET_CLOCK => clock;
    };
    router.with_state(shared)
}

/// A call in progress, its message read.
struct Call {
    shared: Arc<Shared>,
    message: message::Message,
    deadline: Instant,
}

/// What a method answers: a message after room for its prefix.
type Answered = Result<Vec<u8>, Status>;

async fn unary<F>(
    shared: Arc<Shared>,
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
    let answering = async {
        let call = receive(Arc::clone(&shared), method, request, started).await?;
        handler(call).await
    };
    let answered = panics::caught(answering).await.unwrap_or_else(|text| {
        tracing::error!(
            method = method.name(),
            "a gRPC method panicked, its call was answered INTERNAL: {text}"
        );
        Err(Status::internal())
    });
    let code = answered
        .as_ref()
        .err()
        .map_or(GrpcCode::Ok, |status| status.code);
    let response = respond(answered);
    shared.metrics.count_call(method, code, started.elapsed());
    response
}

fn is_grpc(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

async fn receive(
    shared: Arc<Shared>,
    method: Method,
    request: Request,
    started: Instant,
) -> Result<Call, Status> {
    let limits = &shared.limits;
    let deadline = deadline::deadline(request.headers(), started, limits, shared.clock)?;
    let bytes_max = match method {
        Method::SUBMIT => submit::REQUEST_BYTES_MAX,
        _ => limits.question_bytes_max,
    };
    let message = message::read(request.into_body(), bytes_max, &shared.room, deadline).await?;
    // What arrives as a whole only after its deadline is not begun.
    if deadline <= Instant::now() {
        return Err(Status::late());
    }
    Ok(Call {
        shared,
        message,
        deadline,
    })
}

impl Call {
    fn question<Q: Message + Default>(&self) -> Result<Q, Status> {
        Q::decode(&*self.message).map_err(|_| proto::Invalid::Malformed.into())
    }

    /// Asks the engine, and stops waiting at the deadline even where the engine does not.
    async fn ask<'a, T>(
        &'a self,
        question: impl FnOnce(&'a dyn Engine, Instant) -> Answer<'a, T>,
    ) -> Result<T, Status> {
        let Ok(_place) = self.shared.places.try_acquire() else {
            return Err(Unavailable::Overloaded.into());
        };
        let answer = question(&*self.shared.app.engine, self.deadline);
        match tokio::time::timeout_at(self.deadline.into(), answer).await {
            Ok(answer) => answer.map_err(Status::from),
            Err(_) => Err(Unavailable::Timeout.into()),
        }
    }
}

/// An answer's message, after room for its prefix.
fn written(answer: &impl Message) -> Answered {
    let mut out = begin();
    // A vector grows: writing to it cannot fail.
    let _ = answer.encode(&mut out);
    Ok(out)
}

async fn submit(call: Call) -> Answered {
    let batches = submit::read_request(&call.message)?;
    let commands = batches.iter().flat_map(Batch::commands);
    let names: Vec<&'static str> = commands.map(ledger::Command::name).collect();
    let outcomes = call
        .ask(|engine, deadline| engine.submit(batches, deadline))
        .await?;
    let metrics = &call.shared.metrics;
    metrics.count_outcomes(&names, outcomes.iter().flatten());
    let mut out = begin();
    submit::write_response(&outcomes, &mut out);
    Ok(out)
}

async fn account(call: Call) -> Answered {
    let id = call.question::<v1::GetAccountRequest>()?.read()?;
    let of = id.clone();
    let answer = call
        .ask(|engine, deadline| engine.account(of, deadline))
        .await?;
    written(&v1::GetAccountResponse::of(&id, answer))
}

async fn statement(call: Call) -> Answered {
    let query = call.question::<v1::GetStatementRequest>()?.read()?;
    let id = query.account_id.clone();
    let answer = call
        .ask(|engine, deadline| engine.statement(query, deadline))
        .await?;
    written(&v1::GetStatementResponse::of(&id, answer.as_ref()))
}

async fn balance_at(call: Call) -> Answered {
    let (id, at) = call.question::<v1::GetBalanceAtRequest>()?.read()?;
    let answer = call
        .ask(|engine, deadline| engine.balance_at(id, at, deadline))
        .await?;
    written(&v1::GetBalanceAtResponse::from(answer))
}

async fn transfer(call: Call) -> Answered {
    let id = call.question::<v1::GetTransferRequest>()?.read()?;
    let answer = call
        .ask(|engine, deadline| engine.transfer(id, deadline))
        .await?;
    written(&v1::GetTransferResponse::from(answer.as_ref()))
}

async fn payment(call: Call) -> Answered {
    let id = call.question::<v1::GetPaymentRequest>()?.read()?;
    let answer = call
        .ask(|engine, deadline| engine.payment(id, deadline))
        .await?;
    written(&v1::GetPaymentResponse::from(answer.as_ref()))
}

async fn payments_summary(call: Call) -> Answered {
    let (from, to) = call.question::<v1::GetPaymentsSummaryRequest>()?.read();
    let answer = call
        .ask(|engine, deadline| engine.payments_summary(from, to, deadline))
        .await?;
    written(&v1::GetPaymentsSummaryResponse::from(&*answer))
}

async fn payments_due(call: Call) -> Answered {
    let query = call.question::<v1::ListPaymentsDueRequest>()?.read()?;
    let answer = call
        .ask(|engine, deadline| engine.payments_due(query, deadline))
        .await?;
    written(&v1::ListPaymentsDueResponse::from(&*answer))
}

async fn resolutions(call: Call) -> Answered {
    let id = call.question::<v1::ListResolutionsRequest>()?.read()?;
    let answer = call
        .ask(|engine, deadline| engine.resolutions(id, deadline))
        .await?;
    written(&v1::ListResolutionsResponse::from(&*answer))
}

async fn clock(call: Call) -> Answered {
    call.question::<v1::GetClockRequest>()?;
    let clock = call.shared.clock;
    let now_us = u64::try_from(clock.now().as_micros());
    written(&v1::GetClockResponse {
        clock_id: clock.id(),
        now_us: now_us.map_err(|_| Status::internal())?,
    })
}
