//! Which commands a key may give: by the scope of each, and by the accounts that it names.

use std::time::Instant;

use ledger::{
    AccountId, Batch, Command, Currency, Engine, Event, NotReversible, Note, OpenAccount, Outcome,
    Record, Refusal, TransferId, Unavailable, UsedId, UsedPayment, UsedTransfer,
};

use super::denied::Denied;
use super::ring::{Caller, counted};
use super::scope::Scope;

/// Why commands were not given to the ledger. Nothing was done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NotAllowed {
    /// The key may not give one of them.
    Denied(Denied),
    /// One ends or reverses a transfer that is not there, so that its accounts cannot be judged: how
    /// the ledger would refuse it.
    NotFound(Refusal),
    /// The ledger could not be asked for the accounts of a transfer.
    Unavailable(Unavailable),
}

impl From<Denied> for NotAllowed {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// The scope that a key needs to give a command.
pub(super) const fn scope_of(command: &Command) -> Scope {
    match command {
        // With credit it is what a change of the limit is.
        Command::OpenAccount(OpenAccount {
            credit_limit: 0, ..
        })
        | Command::Transfer(_)
        | Command::Pend { .. }
        | Command::Post { .. }
        | Command::PostPart { .. }
        | Command::Void { .. }
        | Command::Reverse(_)
        | Command::AcceptPayment(_) => Scope::Write,
        Command::OpenAccount(_)
        | Command::ChangeLimit { .. }
        | Command::CloseAccount { .. }
        | Command::ChangeFreeze { .. }
        | Command::PurgePayments { .. }
        | Command::ResolvePayment(_)
        // Not of callers: where a face takes them at all, they are an operator's.
        | Command::Expire { .. }
        | Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. } => Scope::Operate,
    }
}

/// Whether somebody without a key may give a command where the challenges are open: no account pays but the five
/// of the 2024 challenge, which its route alone names.
const fn is_of_challenge(command: &Command) -> bool {
    match command {
        Command::Transfer(_) | Command::PurgePayments { .. } => true,
        Command::AcceptPayment(payment) => payment.account_id.is_none(),
        Command::OpenAccount(_)
        | Command::ChangeLimit { .. }
        | Command::CloseAccount { .. }
        | Command::ChangeFreeze { .. }
        | Command::Pend { .. }
        | Command::Post { .. }
        | Command::PostPart { .. }
        | Command::Void { .. }
        | Command::Expire { .. }
        | Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. }
        | Command::ResolvePayment(_)
        | Command::Reverse(_) => false,
    }
}

/// The accounts that a command is about.
pub(crate) enum Accounts<'a> {
    One(&'a AccountId),
    Both(&'a AccountId, &'a AccountId),
    /// The outside of a currency.
    World(Currency),
    /// Those of a transfer that was made before.
    OfTransfer(TransferId),
    /// Any.
    All,
}

pub(crate) const fn accounts_of(command: &Command) -> Accounts<'_> {
    match command {
        Command::OpenAccount(OpenAccount { id: account_id, .. })
        | Command::ChangeLimit { account_id, .. }
        | Command::CloseAccount { account_id, .. }
        | Command::ChangeFreeze { account_id, .. } => Accounts::One(account_id),
        Command::Transfer(transfer) | Command::Pend { transfer, .. } => {
            Accounts::Both(&transfer.debit_account_id, &transfer.credit_account_id)
        }
        Command::Post { pending_id, .. }
        | Command::PostPart { pending_id, .. }
        | Command::Void { pending_id, .. }
        | Command::Expire { pending_id } => Accounts::OfTransfer(*pending_id),
        Command::Reverse(reverse) => Accounts::OfTransfer(reverse.reverses),
        Command::AcceptPayment(payment) => match &payment.account_id {
            Some(account_id) => Accounts::One(account_id),
            None => Accounts::World(payment.currency),
        },
        Command::PurgePayments { .. }
        | Command::ResolvePayment(_)
        | Command::SendPayment { .. }
        | Command::SettlePayment { .. }
        | Command::ReleasePayment { .. }
        | Command::RefusePayment { .. } => Accounts::All,
    }
}

/// The accounts that an event is about: those that it opens, changes, or moves or reserves money of; the payer of a
/// payment, the world where nobody else pays; and those that a refused command names.
pub(crate) fn accounts_shown(event: &Event) -> Vec<AccountId> {
    if let Event::Refused { command, .. } = event {
        return match accounts_of(command) {
            Accounts::One(id) => vec![id.clone()],
            Accounts::Both(debit, credit) => vec![debit.clone(), credit.clone()],
            Accounts::World(currency) => vec![AccountId::world(currency)],
            Accounts::OfTransfer(_) | Accounts::All => Vec::new(),
        };
    }
    let mut ids: Vec<AccountId> = event.accounts_changed().into_iter().cloned().collect();
    if let Some(payment) = event.payment() {
        ids.push(payment.payer());
    }
    ids
}

impl Caller {
    /// States in what an operator decides about accounts who decides, where the caller has not said it: the holder of the key.
    pub(crate) fn sign(&self, batches: &mut [Batch]) {
        // No key has a name that is no text of an operator's.
        if let Self::Key(key) = self
            && let Ok(who) = Note::new(&key.record.name)
        {
            for batch in batches {
                batch.set_who(&who);
            }
        }
    }

    /// Fails unless the caller may give all of these commands now. Where its accounts are limited, the
    /// ledger is asked for the accounts of transfers that are to be ended or reversed.
    pub(crate) async fn check_commands(
        &self,
        batches: &[Batch],
        engine: &dyn Engine,
        deadline: Instant,
    ) -> Result<(), NotAllowed> {
        self.check_scopes(batches)?;
        if self.is_limited() {
            // Boxed: it is large, and would be moved for each request of those whose accounts are not limited.
            Box::pin(self.check_all_accounts_of(batches, engine, deadline)).await?;
        }
        Ok(())
    }

    /// Fails unless the caller's scopes are enough for all of these commands, and its rate.
    fn check_scopes(&self, batches: &[Batch]) -> Result<(), NotAllowed> {
        let key = match self {
            Self::Anyone => return Ok(()),
            Self::OfChallenge => {
                let mut commands = batches.iter().flat_map(Batch::commands);
                return match commands.all(is_of_challenge) {
                    true => Ok(()),
                    false => Err(counted(Denied::NoKey).into()),
                };
            }
            Self::Key(key) => key,
        };
        let mut count = 0;
        for command in batches.iter().flat_map(Batch::commands) {
            let scope = scope_of(command);
            if !key.scopes.has(scope) {
                return Err(counted(Denied::ScopeMissing(scope)).into());
            }
            count += 1;
        }
        // Before the ledger is asked anything: these questions are bounded by it, too.
        Ok(key.take_commands(count).map_err(counted)?)
    }

    async fn check_all_accounts_of(
        &self,
        batches: &[Batch],
        engine: &dyn Engine,
        deadline: Instant,
    ) -> Result<(), NotAllowed> {
        for batch in batches {
            for place in 0..batch.commands().len() {
                self.check_accounts(batch, place, engine, deadline).await?;
            }
        }
        Ok(())
    }

    /// Fails unless the caller may look at a transfer. One of whose accounts nothing is known here is not shown
    /// where the accounts are limited.
    pub(crate) fn check_used_transfer(&self, used: &UsedTransfer) -> Result<(), Denied> {
        if !self.is_limited() {
            return Ok(());
        }
        match used {
            UsedTransfer::Created(transfer, _) => {
                self.check_look_at(&[&transfer.debit_account_id, &transfer.credit_account_id])
            }
            UsedTransfer::Refused(command, _) => self.check_named(command),
            UsedTransfer::Payment(_) => self.check_all(),
        }
    }

    /// The same for each of the outcomes of a batch. What was refused names accounts
    /// and their figures, and nobody knows here which commands were refused for another's sake.
    pub(crate) fn check_outcomes(&self, outcomes: &[Outcome]) -> Result<(), Denied> {
        if !self.is_limited() {
            return Ok(());
        }
        for outcome in outcomes {
            match &outcome.result {
                Ok(Record::Transfer(transfer)) => {
                    self.check_look_at(&[&transfer.debit_account_id, &transfer.credit_account_id])?;
                }
                Ok(Record::Account { id, .. }) => self.check_look_at(&[id])?,
                Ok(Record::Payment(_) | Record::Purge { .. }) | Err(_) => self.check_all()?,
            }
        }
        Ok(())
    }

    /// The same for a payment: at its payer's account.
    pub(crate) fn check_used_payment(&self, used: &UsedPayment) -> Result<(), Denied> {
        match used {
            UsedPayment::Accepted(payment) => self.check_look_at(&[&payment.payer()]),
            UsedPayment::Refused(command, _) => self.check_named(command),
        }
    }

    /// Whether the caller may look at an event. What names no account, as purges and the outcomes of atomic
    /// batches, is for callers that may use all.
    pub(crate) fn may_look_at_event(&self, event: &Event) -> bool {
        // Nobody has to be asked about most.
        !self.is_limited() || self.may_look_at(&accounts_shown(event).iter().collect::<Vec<_>>())
    }

    fn check_named(&self, command: &Command) -> Result<(), Denied> {
        match accounts_of(command) {
            Accounts::One(id) => self.check_look_at(&[id]),
            Accounts::Both(debit, credit) => self.check_look_at(&[debit, credit]),
            Accounts::World(currency) => self.check_look_at(&[&AccountId::world(currency)]),
            Accounts::OfTransfer(_) | Accounts::All => self.check_all(),
        }
    }

    /// Fails unless the caller may use every account that the command at this place is about.
    async fn check_accounts(
        &self,
        batch: &Batch,
        place: usize,
        engine: &dyn Engine,
        deadline: Instant,
    ) -> Result<(), NotAllowed> {
        let (before, from) = batch.commands().split_at(place);
        let Some(command) = from.first() else {
            return Ok(());
        };
        match accounts_of(command) {
            Accounts::One(id) => self.check_account(id)?,
            Accounts::Both(debit, credit) => {
                self.check_account(debit)?;
                self.check_account(credit)?;
            }
            Accounts::World(currency) => self.check_account(&AccountId::world(currency))?,
            Accounts::All => self.check_all()?,
            Accounts::OfTransfer(id) => {
                // In an atomic batch an id that was used already refuses all of it: what is posted,
                // voided or reversed is the member before it. Behind it, or in another batch, it could be
                // somebody else's transfer.
                if batch.atomic_id().is_some() && is_made(before, id) {
                    return Ok(());
                }
                let asked = tokio::time::timeout_at(deadline.into(), engine.transfer(id, deadline));
                let asked = asked.await.unwrap_or(Err(Unavailable::Timeout));
                match asked.map_err(NotAllowed::Unavailable)? {
                    Some(UsedTransfer::Created(transfer, _)) => {
                        self.check_look_at(&[&transfer.debit_account_id])?;
                        self.check_look_at(&[&transfer.credit_account_id])?;
                    }
                    Some(UsedTransfer::Refused(..) | UsedTransfer::Payment(_)) | None => {
                        return Err(NotAllowed::NotFound(not_found(command, id)));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether one of the commands makes this transfer. Its accounts are judged as its own.
fn is_made(commands: &[Command], id: TransferId) -> bool {
    let made = commands.iter().filter_map(Command::used_id);
    made.into_iter().any(|used| used == UsedId::Transfer(id))
}

/// How the ledger refuses a command about a transfer that is not there.
fn not_found(command: &Command, id: TransferId) -> Refusal {
    match command.reverses() {
        Some(_) => Refusal::TransferNotReversible {
            transfer_id: id,
            reason: NotReversible::NotFound,
        },
        None => Refusal::PendingNotFound { pending_id: id },
    }
}
