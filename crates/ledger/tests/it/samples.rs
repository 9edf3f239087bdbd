//! One sample of each command and event, and of each variant inside of them.

use ledger::{
    AMOUNT_MAX, AcceptPayment, Account, AccountId, After, BatchDecided, BatchId, Command, Currency,
    Digest, Event, Frozen, Limit, MemberFailure, Millis, MoveMoney, Note, Notes, OpenAccount,
    Outcome, Payment, PaymentExpected, PaymentId, PaymentResolved, PaymentState, PaymentStateName,
    ProcessorName, Record, Reference, Refusal, RefusedCode, Resolution, ResolutionKind,
    ResolvePayment, ReverseTransfer, Timestamp, Transfer, TransferId, TransferKind,
};

use crate::lists::refusals;

fn account_id(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

fn currency() -> Currency {
    Currency::new("BRL").unwrap()
}

const fn transfer_id() -> TransferId {
    TransferId::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)
}

const fn pending_id() -> TransferId {
    TransferId::from_u128(7)
}

const fn payment_id() -> PaymentId {
    PaymentId::from_u128(0xfedc_ba98_7654_3210_0123_4567_89ab_cdef)
}

const fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(1_767_225_600_000_000_000 + nanos)
}

fn processor() -> ProcessorName {
    ProcessorName::new("default").unwrap()
}

fn money() -> MoveMoney {
    MoveMoney {
        id: transfer_id(),
        debit_account_id: account_id("world:BRL"),
        credit_account_id: account_id("users:42"),
        amount: AMOUNT_MAX,
        description: "descrição 💸".into(),
        notes: Notes::of_reference(Some(Reference::from_u128(9))),
    }
}

/// A sample of each command, in the order of the variants, and more of those with choices.
pub(crate) fn commands() -> Vec<Command> {
    let expected = PaymentExpected {
        state: PaymentStateName::Sent,
        attempt: 300,
    };
    let mut commands = vec![
        Command::OpenAccount(OpenAccount {
            id: account_id("users:42"),
            currency: currency(),
            credit_limit: 100_000,
        }),
        Command::ChangeLimit {
            account_id: account_id("users:42"),
            credit_limit: 0,
            expected_credit_limit: None,
            by: None,
        },
        Command::CloseAccount {
            account_id: account_id("users:42"),
            expected_entry_count: None,
            by: None,
        },
        Command::Transfer(money()),
        Command::Pend {
            transfer: MoveMoney {
                notes: Notes::NONE,
                ..money()
            },
            timeout_s: u32::MAX,
        },
        Command::Post {
            id: transfer_id(),
            pending_id: pending_id(),
            amount: None,
        },
        Command::Post {
            id: transfer_id(),
            pending_id: pending_id(),
            amount: Some(1),
        },
        Command::Void {
            id: transfer_id(),
            pending_id: pending_id(),
        },
        Command::Expire {
            pending_id: pending_id(),
        },
        Command::AcceptPayment(accept(None)),
        Command::AcceptPayment(accept(Some(account_id("users:42")))),
        Command::SendPayment {
            id: payment_id(),
            expected: PaymentExpected {
                state: PaymentStateName::Accepted,
                attempt: 0,
            },
            processor: processor(),
            requested_at: Millis(1_767_225_600_123),
        },
        Command::SettlePayment {
            id: payment_id(),
            expected,
            requested_at: Millis(1_767_225_600_123),
        },
        Command::ReleasePayment {
            id: payment_id(),
            expected,
        },
    ];
    let codes = [
        (PaymentStateName::Sent, RefusedCode::ProcessorRefused),
        (PaymentStateName::Settled, RefusedCode::Purged),
        (PaymentStateName::Refused, RefusedCode::OperatorRefused),
    ];
    commands.extend(codes.map(|(state, code)| Command::RefusePayment {
        id: payment_id(),
        expected: PaymentExpected { state, attempt: 1 },
        code,
    }));
    commands.push(Command::PurgePayments {
        expected_accepted_at: None,
    });
    commands.extend(resolution_kinds().map(|kind| {
        Command::ResolvePayment(ResolvePayment {
            id: payment_id(),
            expected,
            kind,
            who: note("ana"),
            why: note("não está lá 💸"),
            send_lease: std::time::Duration::ZERO,
        })
    }));
    commands.extend([None, Some(1_000)].map(|amount| {
        Command::Reverse(ReverseTransfer {
            id: transfer_id(),
            reverses: pending_id(),
            amount,
            description: "refund".into(),
            notes: match amount {
                Some(_) => money().notes,
                None => Notes::NONE,
            },
        })
    }));
    commands.push(Command::PostPart {
        id: transfer_id(),
        pending_id: pending_id(),
        amount: 1_000,
    });
    commands.extend(Frozen::ALL.map(|frozen| Command::ChangeFreeze {
        account_id: account_id("users:42"),
        frozen,
        expected_frozen: None,
        by: None,
    }));
    commands
}

fn note(text: &str) -> Note {
    Note::new(text).unwrap()
}

const fn resolution_kinds() -> [ResolutionKind; 3] {
    let requested_at = Millis(1_767_225_600_123);
    [
        ResolutionKind::Settled { requested_at },
        ResolutionKind::Release,
        ResolutionKind::Refuse,
    ]
}

fn accept(account_id: Option<AccountId>) -> AcceptPayment {
    AcceptPayment {
        id: payment_id(),
        account_id,
        currency: currency(),
        amount: 1_990,
        description: "d".into(),
        notes: Notes::NONE,
    }
}

fn transfer(kind: TransferKind) -> Transfer {
    Transfer {
        id: transfer_id(),
        kind,
        debit_account_id: account_id("users:42"),
        credit_account_id: account_id("world:BRL"),
        amount: 1_234,
        description: "top-up".into(),
        notes: Notes::NONE,
        timestamp: at(1),
        debit: Some(After {
            entry_number: 12,
            balance: -1_234,
            credit_limit: 100_000,
        }),
        credit: None,
    }
}

fn payment(state: PaymentState, attempt: u32) -> Payment {
    Payment {
        id: payment_id(),
        account_id: Some(account_id("users:42")),
        currency: currency(),
        amount: 1_990,
        description: "d".into(),
        state,
        attempt,
        accepted_at: at(2),
        timestamp: at(3),
        notes: Notes::NONE,
    }
}

fn account(limit: Limit) -> Account {
    Account {
        debits_posted: 1,
        credits_posted: 2,
        debits_pending: 3,
        credits_pending: 4,
        entry_count: 5,
        ..Account::new(currency(), limit, at(4))
    }
}

/// A sample of each event, in the order of the variants, and more of those with choices.
pub(crate) fn events() -> Vec<Event> {
    let requested_at = Millis(1_767_225_600_123);
    let sent = PaymentState::Sent {
        processor: processor(),
        requested_at,
    };
    let settled = PaymentState::Settled {
        processor: processor(),
        requested_at,
    };
    let mut events: Vec<Event> = transfer_kinds()
        .map(|kind| Event::Transfer(transfer(kind)))
        .into();
    events.extend([
        Event::AccountOpened {
            id: account_id("users:42"),
            account: account(Limit::Credit(100_000)),
        },
        Event::LimitChanged {
            id: account_id("users:42"),
            account: account(Limit::Unlimited),
            timestamp: at(5),
            by: None,
        },
        Event::AccountClosed {
            id: account_id("users:42"),
            account: Account {
                closed: true,
                ..account(Limit::Credit(0))
            },
            timestamp: at(6),
            by: None,
        },
        Event::PaymentAccepted(payment(PaymentState::Accepted, 0)),
        Event::PaymentSent(payment(sent, 1)),
        Event::PaymentReleased(payment(PaymentState::Accepted, 1)),
        Event::PaymentSettled {
            payment: Box::new(payment(settled, 2)),
            transfer: transfer(TransferKind::Settle {
                payment_id: payment_id(),
                reserved: true,
            }),
        },
    ]);
    let codes = [
        RefusedCode::ProcessorRefused,
        RefusedCode::Purged,
        RefusedCode::OperatorRefused,
    ];
    events.extend(
        codes.map(|code| Event::PaymentRefused(payment(PaymentState::Refused { code }, 2))),
    );
    events.push(Event::PaymentsPurged {
        payments_count: 3,
        timestamp: at(7),
    });
    events.extend(refusals().map(|refusal| Event::Refused {
        command: Command::Transfer(money()),
        refusal,
        timestamp: at(8),
    }));
    events.extend(failures().map(|failure| Event::Batch(batch(failure))));
    events.extend(resolution_kinds().map(|kind| Event::PaymentResolved(resolved(kind).into())));
    events.extend(Frozen::ALL.map(|frozen| Event::FreezeChanged {
        id: account_id("users:42"),
        account: Account {
            frozen,
            ..account(Limit::Credit(100_000))
        },
        timestamp: at(11),
        by: None,
    }));
    events
}

fn resolved(kind: ResolutionKind) -> PaymentResolved {
    let code = RefusedCode::OperatorRefused;
    let (state, processor) = match kind {
        ResolutionKind::Settled { requested_at } => (
            PaymentState::Settled {
                processor: processor(),
                requested_at,
            },
            Some(processor()),
        ),
        ResolutionKind::Release => (PaymentState::Accepted, Some(processor())),
        ResolutionKind::Refuse => (PaymentState::Refused { code }, None),
    };
    let settle = TransferKind::Settle {
        payment_id: payment_id(),
        reserved: true,
    };
    let is_settled = matches!(kind, ResolutionKind::Settled { .. });
    PaymentResolved {
        payment: payment(state, 2),
        transfer: is_settled.then(|| transfer(settle)),
        resolution: Resolution {
            kind,
            attempt: 2,
            processor,
            who: note("ana"),
            why: note("não está lá 💸"),
            timestamp: at(3),
        },
    }
}

const fn transfer_kinds() -> [TransferKind; 8] {
    let pending_id = pending_id();
    [
        TransferKind::Transfer,
        TransferKind::Pend { timeout_s: 60 },
        TransferKind::Post {
            pending_id,
            pending_amount: 2_000,
            in_full: false,
        },
        TransferKind::Void { pending_id },
        TransferKind::Expire,
        TransferKind::Settle {
            payment_id: payment_id(),
            reserved: false,
        },
        TransferKind::Reverse {
            reverses: pending_id,
            reversed_before: 300,
            in_full: true,
        },
        TransferKind::PostPart {
            pending_id,
            pending_amount: 1_700,
        },
    ]
}

/// Why atomic batches fail, and how `exists` tells each record.
fn failures() -> impl Iterator<Item = Option<MemberFailure>> {
    let records = [
        Record::Account {
            id: account_id("users:42"),
            account: account(Limit::Credit(1)),
        },
        Record::Transfer(transfer(TransferKind::Transfer)),
        Record::Payment(payment(PaymentState::Accepted, 0)),
        Record::Purge {
            payments_count: 1,
            timestamp: at(9),
        },
    ];
    let outcomes = records.map(|record| Outcome::exists(Ok(record)));
    let refused = Outcome::refused(Refusal::CurrencyMismatch);
    let failures = outcomes.into_iter().chain([refused]).map(|outcome| {
        Some(MemberFailure {
            index: 1,
            outcome: outcome.into(),
        })
    });
    std::iter::once(None).chain(failures)
}

fn batch(failure: Option<MemberFailure>) -> BatchDecided {
    BatchDecided {
        id: BatchId::from_u128(11),
        digest: Digest([0xab; 32]),
        members_count: 2,
        failure,
        timestamp: at(10),
    }
}
