//! Random commands, drawn upon the books so that everything occurs often.
//!
//! A few accounts of two currencies with limits small and near 2^53; ids that come again with the
//! same and with other content; amounts at the edge of what is available; pending transfers that
//! are ended twice or expire; payments through all their states. The same seed over the same
//! books draws the same commands.

mod accounts;
mod batches;
mod conflicts;
mod malformed;
mod payments;
mod pending;
mod reversals;
mod transfers;

use ledger::reference::Books;
use ledger::{AccountId, Batch, Command, Currency, Event, ProcessorName, Timestamp};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// What a generator may draw.
#[derive(Debug, Clone)]
pub struct GeneratorOptions {
    /// Whether payments are drawn.
    pub payments: bool,
    /// Whether reversals are drawn.
    pub reversals: bool,
    /// Whether posts are drawn that keep the rest reserved.
    pub parts: bool,
    /// Whether accounts are frozen.
    pub freezes: bool,
    /// Whether changes of accounts say who decided them, and why.
    pub reasons: bool,
    /// Whether time passes as it is told; else only in rare, short waits.
    pub manual_time: bool,
}

impl Default for GeneratorOptions {
    fn default() -> Self {
        Self {
            payments: true,
            reversals: true,
            parts: true,
            freezes: true,
            reasons: true,
            manual_time: true,
        }
    }
}

/// What time does before a step's commands are submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// It passes by this many nanoseconds.
    Advance(u64),
    /// It jumps to this time, where that is later.
    Until(Timestamp),
    /// The clock steps back by this many nanoseconds.
    Back(u64),
}

/// One step: time passes, then batches are submitted in one call.
#[derive(Debug, Clone)]
pub struct Step {
    /// What time does before.
    pub pause: Pause,
    /// The batches of the call.
    pub batches: Vec<Batch>,
}

/// Draws steps.
#[derive(Debug, Clone)]
pub struct Generator {
    rng: StdRng,
    options: GeneratorOptions,
    currencies: Vec<Currency>,
    processors: Vec<ProcessorName>,
    /// Every account id that was ever to be opened, oldest first.
    names: Vec<AccountId>,
    /// The commands drawn for this step so far.
    drawn: Vec<Command>,
    /// Payment commands of late, to be given again.
    payment_commands: Vec<Command>,
    /// Atomic batches of late, to be given again.
    atomic_batches: Vec<Batch>,
    /// Whether this step's pending transfers may expire soon.
    short_timeouts: bool,
}

/// How many account ids there are at first.
const NAMES_AT_FIRST: usize = 8;
/// How many of the newest account ids most commands are about.
const NAMES_RECENT: usize = 10;
/// How far back most commands look.
const EVENTS_RECENT: usize = 400;

impl Generator {
    /// A generator with this seed.
    #[must_use]
    pub fn new(seed: u64, options: GeneratorOptions) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            options,
            currencies: ["BRL", "USD"].iter().map(|code| currency(code)).collect(),
            processors: ["default", "fallback"]
                .iter()
                .map(|n| processor(n))
                .collect(),
            names: (1..=NAMES_AT_FIRST).map(account_name).collect(),
            drawn: Vec::new(),
            payment_commands: Vec::new(),
            atomic_batches: Vec::new(),
            short_timeouts: false,
        }
    }

    /// Every account that may exist by now, the system's included.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountId> {
        let mut accounts = self.names.clone();
        for currency in &self.currencies {
            accounts.push(AccountId::world(*currency));
            for processor in &self.processors {
                accounts.push(AccountId::processor(processor, *currency));
            }
        }
        accounts
    }

    /// The currencies in use.
    #[must_use]
    pub fn currencies(&self) -> &[Currency] {
        &self.currencies
    }

    /// Whether payments are drawn.
    #[must_use]
    pub const fn has_payments(&self) -> bool {
        self.options.payments
    }

    /// Draws the next step upon the books.
    pub fn step(&mut self, books: &Books) -> Step {
        self.drawn.clear();
        self.short_timeouts = self.options.manual_time || self.one_in(40);
        let pause = self.pause(books);
        let batches_count = *[1, 1, 1, 2, 3].choose(&mut self.rng).unwrap_or(&1);
        let mut batches: Vec<_> = (0..batches_count).map(|_| self.batch(books)).collect();
        if self.short_timeouts && !self.options.manual_time {
            batches.push(self.short_pendings(books));
        }
        Step { pause, batches }
    }

    fn pause(&mut self, books: &Books) -> Pause {
        const SECOND: u64 = 1_000_000_000;
        if !self.options.manual_time {
            return Pause::Advance(0);
        }
        match self.rng.random_range(0..100) {
            0..20 => Pause::Advance(0),
            20..80 => Pause::Advance(self.rng.random_range(1..1_000_000)),
            80..85 => Pause::Back(self.rng.random_range(1..3 * SECOND)),
            85..90 => Pause::Advance(self.rng.random_range(0..2 * SECOND)),
            _ => match self.expiries(books).choose(&mut self.rng) {
                Some(at) => {
                    let at = at.as_nanos() + self.rng.random_range(0..3);
                    Pause::Until(Timestamp::from_nanos(at - 1))
                }
                None => Pause::Advance(SECOND),
            },
        }
    }

    /// Draws a command of any kind.
    fn command(&mut self, books: &Books) -> Command {
        let command = match self.rng.random_range(0..1000) {
            0..60 => self.open_account(books),
            60..74 if self.options.freezes => self.change_freeze(books),
            60..100 => self.change_limit(books),
            100..150 => self.close_account(books),
            150..270 => self.transfer(books),
            270..310 if self.options.reversals => self.reverse(books),
            270..310 => self.transfer(books),
            310..430 => self.pend(books),
            430..510 => self.post(books),
            510..560 => self.void(books),
            560..580 => self.expire(books),
            580..760 if self.options.payments => self.payment_command(books),
            580..760 => self.transfer(books),
            760..840 => self.repeat(books),
            840..960 => self.conflict(books),
            _ => self.malformed(books),
        };
        self.keep(&command);
        command
    }

    /// Remembers a command that was drawn.
    fn keep(&mut self, command: &Command) {
        const KEPT: usize = 40;
        self.drawn.push(command.clone());
        let is_step_of_payment =
            command.name().ends_with("_payment") && command.used_id().is_none();
        if is_step_of_payment {
            if self.payment_commands.len() == KEPT {
                self.payment_commands.remove(0);
            }
            self.payment_commands.push(command.clone());
        }
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.rng.random_ratio(1, count)
    }

    fn a_currency(&mut self) -> Currency {
        self.currencies[self.rng.random_range(0..self.currencies.len())]
    }

    /// Now and then one that opens no new account.
    fn a_currency_to_open(&mut self) -> Currency {
        if !self.one_in(3) {
            return self.a_currency();
        }
        currency(["HRK", "ZWL", "XAU"][self.rng.random_range(0..3)])
    }
}

/// The events of late.
fn recent(books: &Books) -> &[Event] {
    let events = books.events();
    &events[events.len().saturating_sub(EVENTS_RECENT)..]
}

/// The command, of those with an id of their own, that an event was decided from.
fn command_of(event: &Event) -> Option<Command> {
    match event {
        Event::Transfer(transfer) => transfer.command(),
        Event::AccountOpened { id, account } => Some(Command::OpenAccount(ledger::OpenAccount {
            id: id.clone(),
            currency: account.currency,
            credit_limit: account.credit_limit().unwrap_or(0),
        })),
        Event::PaymentAccepted(payment) => Some(payment.command()),
        Event::Refused { command, .. } => Some(command.clone()),
        _ => None,
    }
}

fn account_name(number: usize) -> AccountId {
    account_id(&format!("user:{number}"))
}

fn account_id(text: &str) -> AccountId {
    match AccountId::new(text) {
        Ok(id) => id,
        Err(error) => panic!("{text}: {error}"),
    }
}

fn currency(code: &str) -> Currency {
    match Currency::new(code) {
        Ok(currency) => currency,
        Err(error) => panic!("{code}: {error}"),
    }
}

fn processor(name: &str) -> ProcessorName {
    match ProcessorName::new(name) {
        Ok(name) => name,
        Err(error) => panic!("{name}: {error}"),
    }
}
