//! Reads scripts and runs them over the reference's books.

use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use crate::reference::Books;
use crate::{
    AMOUNT_MAX, AcceptPayment, AccountId, Batch, BatchId, Command, Currency, Frozen, Metadata,
    Millis, MoveMoney, Note, Notes, OpenAccount, Outcome, PaymentExpected, PaymentId,
    PaymentStateName, ProcessorName, Reference, Refusal, RefusedCode, Resolution, ResolutionKind,
    ResolvePayment, ReverseTransfer, State, Ticker, Timestamp, TransferId, UsedTransfer,
};

/// The second 0 of every script, in nanoseconds. Scripts begin ten seconds before it.
const START: u64 = 1_000_000_000_000;

/// Runs a script: every line has to have the outcome that it names.
#[track_caller]
pub(super) fn check(script: &str) {
    let mut run = Run {
        books: Books::default(),
        ticker: Ticker::default(),
        now: Timestamp::from_nanos(START - 10_000_000_000),
    };
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (what, expected) = line.split_once(" -> ").unwrap_or((line, "created"));
        let got = run.line(what.trim());
        assert_eq!(
            got.unwrap_or_else(|| expected.to_owned()),
            expected,
            "{line}"
        );
    }
    let replayed = Books::replay(run.books.events());
    assert!(
        replayed == run.books,
        "the events do not lead to the same books"
    );
}

struct Run {
    books: Books,
    ticker: Ticker,
    now: Timestamp,
}

impl Run {
    /// Does what the line says; `None` where that has no outcome.
    fn line(&mut self, line: &str) -> Option<String> {
        if let Some(time) = line.strip_prefix("at ") {
            let (seconds, nanos) = time.split_once('.').unwrap_or((time, "0"));
            let seconds: u64 = parse(seconds);
            let nanos: u64 = parse(nanos);
            self.now = Timestamp::from_nanos(START + seconds * 1_000_000_000 + nanos);
            return None;
        }
        if let Some(id) = line.strip_prefix("account ") {
            self.books.expire(&mut self.ticker, self.now);
            let account = self.books.state().account(&account_id(id)).unwrap();
            return Some(format!(
                "balance={} available={} pending={}/{}",
                account.balance(),
                account
                    .available()
                    .map_or("unlimited".to_owned(), |n| n.to_string()),
                account.debits_pending,
                account.credits_pending
            ));
        }
        if let Some(id) = line.strip_prefix("reversed ") {
            let id = transfer_id(&mut id.split_whitespace());
            let standing = match self.books.state().transfer(id) {
                Some(UsedTransfer::Created(_, standing)) => standing.reversed_amount(),
                Some(UsedTransfer::Refused(..) | UsedTransfer::Payment(_)) | None => None,
            };
            return Some(standing.map_or("never".to_owned(), |amount| amount.to_string()));
        }
        if let Some(id) = line.strip_prefix("pending ") {
            self.books.expire(&mut self.ticker, self.now);
            return Some(self.pending(transfer_id(&mut id.split_whitespace())));
        }
        if let Some(id) = line.strip_prefix("resolutions ") {
            let resolutions = self.books.resolutions(PaymentId::from_u128(parse(id)));
            let texts: Vec<_> = resolutions.iter().map(resolution_text).collect();
            return Some(match texts.as_slice() {
                [] => "none".to_owned(),
                texts => texts.join("; "),
            });
        }
        let batch = match line.strip_prefix("atomic ") {
            Some(atomic) => {
                let (id, members) = atomic.split_once(':').unwrap();
                let members = members.split(';').map(command).collect();
                Batch::atomic(BatchId::from_u128(parse(id)), members).unwrap()
            }
            None => Batch::one(command(line)),
        };
        let outcomes = self.books.apply(batch, &mut self.ticker, self.now);
        Some(outcomes.iter().map(text).collect::<Vec<_>>().join("; "))
    }
}

impl Run {
    /// How a pending transfer stands: how much of it was posted and is still reserved, or how it ended.
    fn pending(&self, id: TransferId) -> String {
        let Some(UsedTransfer::Created(pending, standing)) = self.books.state().transfer(id) else {
            panic!("no transfer {}", id.to_u128());
        };
        let Some(state) = standing.pending_state() else {
            panic!("transfer {} has reserved nothing", id.to_u128());
        };
        let posted = |amount: Option<u64>| amount.map_or("-".to_owned(), |n| n.to_string());
        match self.books.pending_end(id) {
            Some(end) => format!(
                "{} by={} posted={}",
                state.as_str(),
                end.by.map_or("-".to_owned(), |id| id.to_u128().to_string()),
                posted(end.posted_amount)
            ),
            None => format!(
                "{} posted={}",
                state.as_str(),
                posted(standing.posted_of(pending.amount))
            ),
        }
    }
}

fn frozen(name: &str) -> Frozen {
    let mut all = Frozen::ALL.into_iter();
    all.find(|frozen| frozen.as_str() == name).unwrap()
}

/// What a command expects: `expects=NUMBER`.
fn expectation(word: &str) -> u64 {
    word.strip_prefix("expects=").unwrap().parse().unwrap()
}

/// So many nanoseconds after the start.
fn moment(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(START + nanos)
}

/// Reads a command.
fn command(text: &str) -> Command {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap();
    let command = match name {
        "open" => Command::OpenAccount(OpenAccount {
            id: account_id(word(&mut words)),
            currency: Currency::new(word(&mut words)).unwrap(),
            credit_limit: amount(word(&mut words)),
        }),
        "limit" => Command::ChangeLimit {
            account_id: account_id(word(&mut words)),
            credit_limit: amount(word(&mut words)),
            expected_credit_limit: words.next().map(expectation),
            by: None,
        },
        "close" => Command::CloseAccount {
            account_id: account_id(word(&mut words)),
            expected_entry_count: words.next().map(expectation),
            by: None,
        },
        "freeze" => Command::ChangeFreeze {
            account_id: account_id(word(&mut words)),
            frozen: frozen(word(&mut words)),
            expected_frozen: words
                .next()
                .map(|word| frozen(word.strip_prefix("expects=").unwrap())),
            by: None,
        },
        "transfer" => Command::Transfer(move_money(&mut words).0),
        "pend" => {
            let (transfer, timeout_s) = move_money(&mut words);
            Command::Pend {
                transfer,
                timeout_s,
            }
        }
        "post" => Command::Post {
            id: transfer_id(&mut words),
            pending_id: transfer_id(&mut words),
            amount: words.next().map(amount),
        },
        "part" => Command::PostPart {
            id: transfer_id(&mut words),
            pending_id: transfer_id(&mut words),
            amount: amount(word(&mut words)),
        },
        "void" => Command::Void {
            id: transfer_id(&mut words),
            pending_id: transfer_id(&mut words),
        },
        "reverse" => {
            let (id, reverses) = (transfer_id(&mut words), transfer_id(&mut words));
            let mut reverse = ReverseTransfer {
                id,
                reverses,
                amount: None,
                description: "d".into(),
                notes: Notes::NONE,
            };
            for word in words.by_ref() {
                match word.split_once('=') {
                    Some(("desc", text)) => reverse.description = text.into(),
                    Some(("ref", text)) => {
                        let reference = Reference::new(text).unwrap();
                        reverse.notes = Notes::of_reference(Some(reference));
                    }
                    _ => reverse.amount = Some(amount(word)),
                }
            }
            Command::Reverse(reverse)
        }
        "expire" => Command::Expire {
            pending_id: transfer_id(&mut words),
        },
        "purge" => Command::PurgePayments {
            expected_accepted_at: words.next().map(|word| moment(expectation(word))),
        },
        _ => payment_command(name, &mut words),
    };
    assert_eq!(words.next(), None, "{text}");
    command
}

fn payment_command(name: &str, words: &mut SplitWhitespace<'_>) -> Command {
    let id = PaymentId::from_u128(parse(word(words)));
    if name == "accept" {
        return Command::AcceptPayment(AcceptPayment {
            id,
            account_id: Some(word(words))
                .filter(|word| *word != "-")
                .map(account_id),
            currency: Currency::new(word(words)).unwrap(),
            amount: amount(word(words)),
            description: words
                .next()
                .map_or("d", |w| w.strip_prefix("desc=").unwrap())
                .into(),
            notes: Notes::NONE,
        });
    }
    let (state, attempt) = word(words).split_once('/').unwrap();
    let expected = PaymentExpected {
        state: state_name(state),
        attempt: parse(attempt),
    };
    match name {
        "send" => Command::SendPayment {
            id,
            expected,
            processor: ProcessorName::new(word(words)).unwrap(),
            requested_at: Millis(parse(word(words))),
        },
        "settle" => Command::SettlePayment {
            id,
            expected,
            requested_at: Millis(parse(word(words))),
        },
        "release" => Command::ReleasePayment { id, expected },
        "refuse" => Command::RefusePayment {
            id,
            expected,
            code: match word(words) {
                "processor_refused" => RefusedCode::ProcessorRefused,
                "purged" => RefusedCode::Purged,
                "operator_refused" => RefusedCode::OperatorRefused,
                other => panic!("no code {other}"),
            },
        },
        "resolve" => Command::ResolvePayment(ResolvePayment {
            id,
            expected,
            kind: match word(words) {
                "settled" => ResolutionKind::Settled {
                    requested_at: Millis(parse(word(words))),
                },
                "release" => ResolutionKind::Release,
                "refuse" => ResolutionKind::Refuse,
                other => panic!("no resolution {other}"),
            },
            who: Note::new(word(words)).unwrap(),
            why: Note::new(word(words)).unwrap(),
            send_lease: match words.next() {
                Some(seconds) => Duration::from_secs(parse(seconds)),
                None => Duration::ZERO,
            },
        }),
        other => panic!("no command {other}"),
    }
}

fn move_money(words: &mut SplitWhitespace<'_>) -> (MoveMoney, u32) {
    let mut transfer = MoveMoney {
        id: transfer_id(words),
        debit_account_id: account_id(word(words)),
        credit_account_id: account_id(word(words)),
        amount: amount(word(words)),
        description: "d".into(),
        notes: Notes::NONE,
    };
    let mut timeout_s = 0;
    for option in words {
        match option.split_once('=').unwrap() {
            ("desc", text) => transfer.description = text.into(),
            ("ref", text) => {
                let reference = Reference::new(text).unwrap();
                transfer.notes = Notes::new(Some(reference), transfer.notes.metadata().clone());
            }
            ("meta", text) => {
                let metadata = Metadata::new([("m", text)]).unwrap();
                transfer.notes = Notes::new(transfer.notes.reference().cloned(), metadata);
            }
            ("timeout", seconds) => timeout_s = parse(seconds),
            _ => panic!("no option {option}"),
        }
    }
    (transfer, timeout_s)
}

fn state_name(name: &str) -> PaymentStateName {
    [
        PaymentStateName::Accepted,
        PaymentStateName::Sent,
        PaymentStateName::Settled,
        PaymentStateName::Refused,
    ]
    .into_iter()
    .find(|state| state.as_str() == name)
    .unwrap()
}

/// An amount: a number, `max`, or `max` and something.
fn amount(text: &str) -> u64 {
    match text.strip_prefix("max") {
        Some("") => AMOUNT_MAX,
        Some(rest) if rest.starts_with('-') => AMOUNT_MAX - parse::<u64>(&rest[1..]),
        Some(rest) => AMOUNT_MAX + parse::<u64>(&rest[1..]),
        None => parse(text),
    }
}

fn word<'a>(words: &mut SplitWhitespace<'a>) -> &'a str {
    words.next().unwrap()
}

fn transfer_id(words: &mut SplitWhitespace<'_>) -> TransferId {
    let word = word(words);
    match word.strip_prefix("payment:") {
        Some(payment) => TransferId::of_payment(PaymentId::from_u128(parse(payment))),
        None => TransferId::from_u128(parse(word)),
    }
}

fn account_id(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

fn parse<T: FromStr>(text: &str) -> T {
    match text.trim().parse() {
        Ok(number) => number,
        Err(_) => panic!("no number: {text}"),
    }
}

/// An outcome as scripts spell it.
fn text(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(_) => outcome.code().to_owned(),
        Err(refusal) if outcome.replayed => format!("exists: {}", refusal_text(refusal)),
        Err(refusal) => refusal_text(refusal),
    }
}

/// A resolution as scripts spell it.
fn resolution_text(resolution: &Resolution) -> String {
    let processor = resolution.processor.as_ref();
    format!(
        "{} {} {} {} {}",
        resolution.attempt,
        processor.map_or("-", ProcessorName::as_str),
        resolution.kind.as_str(),
        resolution.who,
        resolution.why
    )
}

/// A refusal with its figures.
fn refusal_text(refusal: &Refusal) -> String {
    let code = refusal.code();
    match refusal {
        Refusal::ExistsWithDifferent(_)
        | Refusal::CurrencyMismatch
        | Refusal::AccountsMustDiffer
        | Refusal::DescriptionInvalid
        | Refusal::BatchMemberFailed => code.to_owned(),
        Refusal::CurrencyNotCurrent { currency } => format!("{code} {currency}"),
        Refusal::AccountNotFound { account_id }
        | Refusal::AccountClosed { account_id }
        | Refusal::AccountReserved { account_id }
        | Refusal::BalanceOverflow { account_id } => format!("{code} {account_id}"),
        Refusal::AccountInUse {
            account_id,
            balance,
            debits_pending,
            credits_pending,
        } => format!(
            "{code} {account_id} balance={balance} pending={debits_pending}/{credits_pending}"
        ),
        Refusal::InsufficientFunds {
            account_id,
            available,
            required,
            credit_limit,
        } => format!(
            "{code} {account_id} available={available} required={required} limit={credit_limit}"
        ),
        Refusal::AmountOutOfRange { amount } => format!("{code} {amount}"),
        Refusal::PendingNotFound { pending_id }
        | Refusal::PendingAlreadyPosted { pending_id }
        | Refusal::PendingAlreadyVoided { pending_id }
        | Refusal::PendingExpired { pending_id } => format!("{code} {}", pending_id.to_u128()),
        Refusal::AmountExceedsPending {
            available,
            required,
        }
        | Refusal::AmountExceedsReversible {
            available,
            required,
        } => format!("{code} available={available} required={required}"),
        Refusal::TransferNotReversible {
            transfer_id,
            reason,
        } => format!("{code} {} {}", transfer_id.to_u128(), reason.as_str()),
        Refusal::AccountFrozen { account_id, side } => {
            format!("{code} {account_id} {}", side.as_str())
        }
        Refusal::PaymentNotFound { payment_id } => format!("{code} {}", payment_id.to_u128()),
        Refusal::PaymentInOtherState { state, attempt } => {
            format!("{code} {}/{attempt}", state.as_str())
        }
        Refusal::PaymentUnderWay { .. } => code.to_owned(),
        Refusal::AccountInOtherState {
            account_id,
            credit_limit,
            entry_count,
        } => format!("{code} {account_id} limit={credit_limit} entries={entry_count}"),
        Refusal::PaymentsInOtherState { accepted_at } => {
            format!("{code} {}", accepted_at.as_nanos() - START)
        }
    }
}
