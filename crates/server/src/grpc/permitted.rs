//! Which commands a caller of this face may give.
//!
//! Engines expire, and dispatchers send, settle, release and refuse payments, in the process that
//! has the ledger: no caller may send such a command.

use std::time::Duration;

use ledger::{Command, CommandKind};
use stdx::Throttle;

use super::limits::GrpcCommands;
use super::status::Status;
use crate::metrics::GRPC_DENIED;

/// What is asked before commands are given to the engine.
pub(super) struct Permits {
    commands: GrpcCommands,
    is_purge_enabled: bool,
    /// One for each kind of command: a flood of one hides no other.
    warnings: [Throttle; CommandKind::ALL.len()],
}

impl Permits {
    pub(super) fn new(commands: GrpcCommands, is_purge_enabled: bool) -> Self {
        Self {
            commands,
            is_purge_enabled,
            warnings: std::array::from_fn(|_| Throttle::new(Duration::from_secs(10))),
        }
    }

    /// Whether callers may give all of these.
    pub(super) fn check<'a>(
        &self,
        mut commands: impl Iterator<Item = &'a Command>,
    ) -> Result<(), Status> {
        let Some(denied) = commands.find(|command| !self.admits(command)) else {
            return Ok(());
        };
        let name = denied.name();
        let why = match denied {
            Command::PurgePayments { .. } => "this ledger was started without --enable-purge",
            _ => "only the process that has the ledger may send it",
        };
        metrics::counter!(GRPC_DENIED.name, "command" => name).increment(1);
        if let Some(held_back) = self.warnings[denied.kind().index()].pass() {
            tracing::warn!(
                command = name,
                held_back,
                "denied a gRPC call because of its command {name}: {why}"
            );
        }
        let detail =
            format!("{name} may not be sent by callers: {why}; nothing of the call was done");
        Err(Status::denied(detail))
    }

    /// Whether callers may ask what a purge needs to know: only those who may purge.
    pub(super) fn check_purge(&self) -> Result<(), Status> {
        let purge = Command::PurgePayments {
            expected_accepted_at: None,
        };
        self.check(std::iter::once(&purge))
    }

    fn admits(&self, command: &Command) -> bool {
        match self.commands {
            GrpcCommands::All => true,
            GrpcCommands::OfCallers => match command.kind() {
                CommandKind::PurgePayments => self.is_purge_enabled,
                kind => kind.is_of_callers(),
            },
        }
    }
}
