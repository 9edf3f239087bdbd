//! Who may come in over gRPC: every method, under every kind of key.

use std::sync::Arc;

use ledger::Engine;
use proto::Method;
use proto::v1;
use proto::v1::ledger_client::LedgerClient;
use server::{AlwaysReady, GrpcCommands, GrpcLimits, Scope};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::grpc::{keyed_node, open, submit};
use crate::support::{Held, Keyring, five_accounts};

/// The scope that a method asks for; `None`: any key.
fn asked(method: Method) -> Option<Scope> {
    match method {
        Method::Submit | Method::Preview => Some(Scope::Write),
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
        | Method::ListEvents => Some(Scope::Read),
        Method::GetNewestPayment => Some(Scope::Operate),
        Method::GetClock => None,
    }
}

/// Whether a method is about accounts at all, where nothing is known of what it asks about.
fn is_about_accounts(method: Method) -> bool {
    match method {
        Method::Submit
        | Method::Preview
        | Method::GetAccount
        | Method::GetStatement
        | Method::GetBalanceAt
        | Method::GetPaymentsSummary
        | Method::ListPaymentsDue
        | Method::ListResolutions
        | Method::ListUnsettledPayments
        | Method::ListEvents
        | Method::ListTransfers
        | Method::ListLimits
        | Method::ListPayments
        | Method::GetNewestPayment => true,
        // Of an id that nobody has used nothing is said.
        // And of accounts those are listed that it may use.
        Method::GetTransfer
        | Method::GetPayment
        | Method::GetSafeTime
        | Method::GetClock
        | Method::ListAccounts
        | Method::GetBatch => false,
    }
}

fn bearer(held: Held) -> Option<MetadataValue<Ascii>> {
    let secret = held.secret()?;
    Some(format!("Bearer {secret}").parse().unwrap())
}

async fn call(channel: &Channel, method: Method, held: Held) -> Result<(), Status> {
    let mut client = LedgerClient::new(channel.clone());
    macro_rules! ask {
        ($name:ident, $message:expr) => {{
            let mut request = Request::new($message);
            if let Some(bearer) = bearer(held) {
                request.metadata_mut().insert("authorization", bearer);
            }
            client.$name(request).await.map(|_| ())
        }};
    }
    let account_id = || "1".to_owned();
    let id = || vec![7; 16];
    let page = || {
        Some(v1::ListPage {
            order: v1::ListOrder::Descending.into(),
            after: None,
            until: None,
            limit: 1,
        })
    };
    match method {
        Method::Submit | Method::Preview => {
            let command = v1::command::Command::OpenAccount(v1::OpenAccount {
                id: "opened".to_owned(),
                currency: "BRL".to_owned(),
                credit_limit: 0,
            });
            let command = v1::Command {
                command: Some(command),
            };
            match method {
                Method::Preview => ask!(preview, submit(vec![command])),
                _ => ask!(submit, submit(vec![command])),
            }
        }
        Method::GetAccount => ask!(get_account, v1::GetAccountRequest { id: account_id() }),
        Method::GetStatement => ask!(
            get_statement,
            v1::GetStatementRequest {
                account_id: account_id(),
                before: None,
                limit: 1,
            }
        ),
        Method::ListTransfers => ask!(
            list_transfers,
            v1::ListTransfersRequest {
                list: Some(v1::list_transfers_request::List::AccountId(account_id())),
                page: page(),
            }
        ),
        Method::ListLimits => ask!(
            list_limits,
            v1::ListLimitsRequest {
                account_id: account_id(),
                page: page(),
            }
        ),
        Method::ListPayments => ask!(
            list_payments,
            v1::ListPaymentsRequest {
                list: Some(v1::list_payments_request::List::All(true)),
                page: page(),
            }
        ),
        Method::GetBalanceAt => ask!(
            get_balance_at,
            v1::GetBalanceAtRequest {
                account_id: account_id(),
                ..Default::default()
            }
        ),
        Method::GetSafeTime => ask!(get_safe_time, v1::GetSafeTimeRequest {}),
        Method::GetTransfer => ask!(get_transfer, v1::GetTransferRequest { id: id() }),
        Method::GetPayment => ask!(get_payment, v1::GetPaymentRequest { id: id() }),
        Method::GetPaymentsSummary => {
            ask!(
                get_payments_summary,
                v1::GetPaymentsSummaryRequest::default()
            )
        }
        Method::ListPaymentsDue => ask!(
            list_payments_due,
            v1::ListPaymentsDueRequest {
                limit: 1,
                ..Default::default()
            }
        ),
        Method::ListResolutions => ask!(
            list_resolutions,
            v1::ListResolutionsRequest { payment_id: id() }
        ),
        Method::ListUnsettledPayments => ask!(
            list_unsettled_payments,
            v1::ListUnsettledPaymentsRequest::default()
        ),
        Method::GetClock => ask!(get_clock, v1::GetClockRequest {}),
        Method::GetBatch => ask!(get_batch, v1::GetBatchRequest { id: id() }),
        Method::ListAccounts => ask!(list_accounts, v1::ListAccountsRequest::default()),
        Method::GetNewestPayment => ask!(get_newest_payment, v1::GetNewestPaymentRequest {}),
        Method::ListEvents => ask!(list_events, v1::ListEventsRequest::default()),
    }
}

#[tokio::test]
async fn every_method_asks_every_kind_of_key_for_what_it_should() {
    let limits = GrpcLimits {
        commands: GrpcCommands::All,
        ..GrpcLimits::default()
    };
    let engine = five_accounts().await as Arc<dyn Engine>;
    let node = keyed_node(engine, Arc::new(AlwaysReady), limits, Keyring::new().keys).await;
    for method in Method::ALL {
        for held in Held::EVERY {
            let answer = call(&node.channel, *method, held).await;
            let scope = asked(*method);
            let expected = match held {
                Held::Nothing | Held::Unknown | Held::Expired | Held::Revoked => {
                    Some((Code::Unauthenticated, "unauthenticated"))
                }
                Held::Only(only) if scope.is_some_and(|scope| scope != only) => {
                    Some((Code::PermissionDenied, "scope_missing"))
                }
                Held::Narrow | Held::Depositor if is_about_accounts(*method) => {
                    Some((Code::PermissionDenied, "account_not_allowed"))
                }
                Held::Only(_) | Held::All | Held::Narrow | Held::Depositor => None,
            };
            let name = format!("{} with {held:?}", method.name());
            let code_of = |status: &Status| {
                let code = status.metadata().get("lastro-code");
                code.map(|code| code.to_str().unwrap().to_owned())
            };
            match (expected, answer) {
                (None, Ok(())) => {}
                // This node dispatches no payments, and its default questions name no state.
                (None, Err(status)) => assert!(
                    *method == Method::ListUnsettledPayments
                        && matches!(status.code(), Code::Unimplemented | Code::InvalidArgument),
                    "{name}: {status:?}"
                ),
                (Some((code, reason)), Err(status)) => {
                    assert_eq!(status.code(), code, "{name}: {status:?}");
                    assert_eq!(
                        code_of(&status).as_deref(),
                        Some(reason),
                        "{name}: {status:?}"
                    );
                }
                (Some(expected), Ok(())) => panic!("{name} is answered, not {expected:?}"),
            }
        }
    }
}

/// What callers may not do is found before anything of a call is done.
#[tokio::test]
async fn credit_is_for_operators_to_grant() {
    let engine = five_accounts().await as Arc<dyn Engine>;
    let keys = Keyring::new().keys;
    let node = keyed_node(engine, Arc::new(AlwaysReady), GrpcLimits::default(), keys).await;
    let mut client = LedgerClient::new(node.channel.clone());
    for (held, expected) in [
        (Held::Only(Scope::Write), Code::PermissionDenied),
        (Held::Only(Scope::Operate), Code::Ok),
    ] {
        let mut request = Request::new(submit(vec![open("with-credit")]));
        request
            .metadata_mut()
            .insert("authorization", bearer(held).unwrap());
        let answer = client.submit(request).await;
        let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(code, expected, "{held:?}");
    }
}

/// Whether a process lives is asked without a key; which methods there are is not.
#[tokio::test]
async fn health_is_open_and_reflection_is_not() {
    let engine = five_accounts().await as Arc<dyn Engine>;
    let keys = Keyring::new().keys;
    let node = keyed_node(engine, Arc::new(AlwaysReady), GrpcLimits::default(), keys).await;
    let mut health = HealthClient::new(node.channel.clone());
    let service = String::new();
    health.check(HealthCheckRequest { service }).await.unwrap();

    for (held, expected) in [
        (Held::Nothing, Code::Unauthenticated),
        (Held::Only(Scope::Metrics), Code::Ok),
    ] {
        let mut client = ServerReflectionClient::new(node.channel.clone());
        let asked = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut request = Request::new(futures_util::stream::iter([asked]));
        if let Some(bearer) = bearer(held) {
            request.metadata_mut().insert("authorization", bearer);
        }
        let answer = client.server_reflection_info(request).await;
        let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(code, expected, "{held:?}");
    }
}
