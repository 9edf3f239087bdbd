//! The real binary, as a process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod backups;
mod begin;
mod between;
mod callers;
mod challenge;
mod clients;
mod commands;
mod configuration;
mod copies;
mod documents;
mod events;
mod faces;
mod failover;
mod health;
mod keys;
mod kill;
mod logs;
mod machine;
mod memory;
mod monitoring;
mod nodes;
mod open_files;
mod open_payments;
mod opening;
mod outbox;
mod partitions;
mod payments;
mod postgres;
mod probes;
mod processor;
mod reloads;
mod remote;
mod schemathesis;
mod service_manager;
mod story;
mod strangers;
mod support;
mod sustain;
mod syscalls;
mod traces;
mod waiting;
mod webhooks;
mod write_behind;
