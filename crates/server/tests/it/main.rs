//! The face over real sockets, the reference engine behind it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_body;
mod bad_input;
mod challenge_2024;
mod examples;
mod failures;
mod golden;
mod grpc;
mod grpc_events;
mod grpc_limits;
mod grpc_unix;
mod keys;
mod keys_grpc;
mod keys_metrics;
mod keys_table;
mod limits;
mod observe;
mod opening;
mod pages;
mod payments;
mod probes;
mod protocol;
mod request_ids;
mod sockets;
mod stopping;
mod support;
mod tls;
mod unread;
mod v1_account_change;
mod v1_account_list;
mod v1_accounts;
mod v1_balance;
mod v1_batches;
mod v1_callback;
mod v1_dry_run;
mod v1_events;
mod v1_freezes;
mod v1_operations;
mod v1_parts;
mod v1_payment_list;
mod v1_pending;
mod v1_reversals;
mod v1_statement;
mod v1_transfers;
mod v1_webhooks;
