//! What the users of a load share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use crate::http::{Answer, Client, Connections, HttpFailure};
use crate::pacer::InFlight;
use crate::recorder::{Recorder, Verdict};
use crate::score::SLA;
use crate::user;

use super::arrival::KINDS;
use super::checks::judge_statement;
use super::{ACCOUNTS, Requests, Rinha2024Options};

/// The most requests in flight. One beyond waits, and its latency counts the wait.
const IN_FLIGHT_MAX: usize = 10_000;

/// What is known of the load's own traffic on an account.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) started: Cell<u64>,
    pub(super) in_flight: Cell<u64>,
}

/// The shared things.
pub(super) struct Lab {
    pub(super) options: Rinha2024Options,
    pub(super) client: Rc<Client>,
    pub(super) requests: Requests,
    pub(super) recorder: Rc<RefCell<Recorder>>,
    pub(super) in_flight: Rc<InFlight>,
    pub(super) traffic: [Traffic; 5],
}

impl Lab {
    pub(super) fn new(options: &Rinha2024Options) -> anyhow::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            options: options.clone(),
            client: Rc::new(client(options, options.connections)),
            requests: Requests::new(&options.target),
            recorder: Rc::new(RefCell::new(Recorder::new(KINDS, SLA)?)),
            in_flight: InFlight::new(IN_FLIGHT_MAX),
            traffic: Default::default(),
        }))
    }

    /// The client of a user with several requests: a connection of its own, unless all are kept
    /// and shared.
    pub(super) fn user_client(&self) -> Rc<Client> {
        match self.options.connections {
            Connections::KeptAlive => Rc::clone(&self.client),
            Connections::New => Rc::new(client(&self.options, Connections::KeptAlive)),
        }
    }

    /// Asks once, judges and records. What was judged right is returned.
    pub(super) async fn ask<T>(
        &self,
        client: &Client,
        kind: usize,
        planned: Instant,
        request: &[u8],
        judge: impl FnOnce(&Answer<'_>) -> (Verdict, Option<T>),
    ) -> Option<T> {
        user::ask(client, &self.recorder, kind, planned, request, judge).await
    }

    /// Looks whether the target is there, and what is not fresh about it.
    pub(super) async fn look_before(&self) -> Result<Option<String>, HttpFailure> {
        let mut not_fresh = None;
        for account in 1..=ACCOUNTS.len() {
            let request = self.requests.statement(account);
            let seen = self
                .client
                .exchange(&request, |answer| what_is_not_fresh(&answer, account))
                .await?;
            not_fresh = not_fresh.or(seen);
        }
        Ok(not_fresh)
    }
}

fn what_is_not_fresh(answer: &Answer<'_>, account: usize) -> Option<String> {
    match judge_statement(answer, account) {
        Err(fault) => Some(format!("account {account}: {}", fault.detail)),
        Ok(statement) if statement.balance.total != 0 || !statement.entries.is_empty() => {
            let lines = statement.entries.len();
            let total = statement.balance.total;
            Some(format!(
                "account {account} stands at {total} and its statement has {lines} lines"
            ))
        }
        Ok(_) => None,
    }
}

fn client(options: &Rinha2024Options, connections: Connections) -> Client {
    Client::new(
        options.target.clone(),
        connections,
        IN_FLIGHT_MAX,
        options.timeout,
    )
}
