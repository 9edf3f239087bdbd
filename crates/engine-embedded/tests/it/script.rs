//! Short lives of a ledger in which every event occurs. They never change: fixtures were made by
//! them.

use ledger::{
    AcceptPayment, AccountId, Batch, BatchId, By, Command, Currency, Frozen, Metadata, Millis,
    MoveMoney, Note, Notes, OpenAccount, PaymentExpected, PaymentId, PaymentStateName,
    ProcessorName, Reference, RefusedCode, ResolutionKind, ResolvePayment, ReverseTransfer,
    TransferId,
};

/// One step.
pub(crate) enum Step {
    /// Time passes by this many nanoseconds.
    Advance(u64),
    /// A call.
    Submit(Vec<Batch>),
}

/// Every event but resolutions, which there were none of yet.
pub(crate) fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Advance(1_000)];
    let batches = accounts_and_transfers()
        .into_iter()
        .chain(payments())
        .chain(batches());
    for (number, batch) in (0..).zip(batches) {
        // The first pending transfers expire before the fifth call.
        let pause = if number == 4 {
            2_000_000_000
        } else {
            1_000_000
        };
        steps.push(Step::Advance(pause));
        steps.push(Step::Submit(vec![batch]));
    }
    steps
}

/// Payments that operators resolve.
pub(crate) fn resolution_steps() -> Vec<Step> {
    let accepted = |id| accept(id, (id % 2 == 1).then_some("a"), 10);
    let sent = |id| send(id, 0, "default");
    let purge = Command::PurgePayments {
        expected_accepted_at: None,
    };
    let calls = vec![
        vec![open("a", "BRL", 1_000)],
        [1, 2, 3, 4].map(accepted).into(),
        [5, 6, 7].map(accepted).into(),
        [1, 2, 4].map(sent).into(),
        [5, 6, 7].map(sent).into(),
        vec![
            resolve(1, PaymentStateName::Sent, 1, ResolutionKind::Release),
            send(1, 1, "fallback"),
            resolve(1, PaymentStateName::Sent, 2, at(7_000)),
        ],
        // What the dispatcher does next leads to what an operator decided.
        vec![resolve(
            2,
            PaymentStateName::Sent,
            1,
            ResolutionKind::Release,
        )],
        vec![send(2, 1, "fallback")],
        vec![settle(2, 2)],
        vec![resolve(
            3,
            PaymentStateName::Accepted,
            0,
            ResolutionKind::Refuse,
        )],
        vec![
            resolve(4, PaymentStateName::Sent, 1, ResolutionKind::Release),
            resolve(4, PaymentStateName::Accepted, 1, ResolutionKind::Refuse),
        ],
        vec![
            resolve(5, PaymentStateName::Sent, 1, ResolutionKind::Release),
            purge,
        ],
        vec![settle(6, 1)],
        // Done already, by the dispatcher.
        vec![resolve(6, PaymentStateName::Sent, 1, at(1_000))],
        vec![resolve(
            7,
            PaymentStateName::Sent,
            1,
            ResolutionKind::Release,
        )],
    ];
    let step = |commands| [Step::Advance(1_000_000), Step::Submit(vec![all(commands)])];
    calls.into_iter().flat_map(step).collect()
}

/// References and metadata, in every event that may have them.
pub(crate) fn notes_steps() -> Vec<Step> {
    let noted = |number: u128, debit: &str, credit: &str, amount| MoveMoney {
        notes: notes(number),
        ..money(number, debit, credit, amount)
    };
    let pend = |number, timeout_s| Command::Pend {
        transfer: noted(number, "a", "b", 10),
        timeout_s,
    };
    let accept = |id, account_id: Option<&str>, amount| {
        Command::AcceptPayment(AcceptPayment {
            notes: notes(id),
            ..payment(id, account_id, amount)
        })
    };
    let calls = vec![
        all(vec![open("a", "BRL", 1_000), open("b", "BRL", 0)]),
        all((1..=4)
            .map(|number| Command::Transfer(noted(number, "world:BRL", "a", 100)))
            .collect()),
        all(vec![Command::Transfer(noted(5, "b", "a", 100_000))]),
        all(vec![pend(6, 0), pend(7, 0), pend(8, 1)]),
        all(vec![
            Command::Post {
                id: TransferId::from_u128(9),
                pending_id: TransferId::from_u128(6),
                amount: Some(4),
            },
            Command::Void {
                id: TransferId::from_u128(10),
                pending_id: TransferId::from_u128(7),
            },
        ]),
        all(vec![
            accept(1, Some("a"), 7),
            accept(2, None, 8),
            accept(3, Some("b"), 1_000_000),
            accept(4, Some("a"), 9),
        ]),
        all(vec![send(1, 0, "default"), send(2, 0, "fallback")]),
        all(vec![settle(1, 1), settle(2, 1)]),
        all(vec![resolve(
            4,
            PaymentStateName::Accepted,
            0,
            ResolutionKind::Refuse,
        )]),
        atomic(
            1,
            vec![
                Command::Transfer(noted(11, "world:BRL", "b", 5)),
                accept(6, None, 8),
            ],
        ),
        // A member that is there already fails its batch, whose record has what is there.
        atomic(2, vec![Command::Transfer(noted(3, "world:BRL", "a", 100))]),
        atomic(3, vec![accept(2, None, 8)]),
    ];
    let step = |call| [Step::Advance(1_000_000_000), Step::Submit(vec![call])];
    calls.into_iter().flat_map(step).collect()
}

/// Reversals, in full and in parts, refused, in batches, and of a payment.
pub(crate) fn reversal_steps() -> Vec<Step> {
    let of_payment = TransferId::of_payment(PaymentId::from_u128(1)).to_u128();
    let calls = vec![
        all(vec![open("a", "BRL", 1_000), open("b", "BRL", 0)]),
        all(vec![
            Command::Transfer(money(1, "world:BRL", "a", 500)),
            Command::Transfer(money(2, "a", "b", 200)),
        ]),
        all(vec![pend(3, "a", "b", 100, 0)]),
        all(vec![Command::Post {
            id: TransferId::from_u128(4),
            pending_id: TransferId::from_u128(3),
            amount: Some(60),
        }]),
        all(vec![reverse(5, 2, Some(50)), reverse(6, 2, Some(30))]),
        all(vec![reverse(7, 4, None)]),
        all(vec![
            reverse(8, 2, Some(1_000)),
            reverse(9, 5, None),
            reverse(10, 99, None),
        ]),
        all(vec![accept(1, Some("a"), 40)]),
        all(vec![send(1, 0, "default")]),
        all(vec![settle(1, 1)]),
        all(vec![reverse(11, of_payment, Some(15))]),
        atomic(
            1,
            vec![
                Command::Transfer(money(12, "a", "b", 8)),
                reverse(13, 12, None),
            ],
        ),
        atomic(2, vec![reverse(14, 2, Some(999))]),
        // A member that is there already fails its batch, whose record has what is there.
        atomic(3, vec![reverse(5, 2, Some(50))]),
        all(vec![reverse(15, 2, None)]),
    ];
    let step = |call| [Step::Advance(1_000_000), Step::Submit(vec![call])];
    calls.into_iter().flat_map(step).collect()
}

/// Parts of pending transfers, with every end that may follow on them, refused ones, in batches, and reversed.
pub(crate) fn part_steps() -> Vec<Step> {
    let post = |id: u128, pending_id: u128, amount| Command::Post {
        id: TransferId::from_u128(id),
        pending_id: TransferId::from_u128(pending_id),
        amount,
    };
    let void = |id: u128, pending_id: u128| Command::Void {
        id: TransferId::from_u128(id),
        pending_id: TransferId::from_u128(pending_id),
    };
    let noted = MoveMoney {
        notes: notes(7),
        ..money(3, "a", "world:BRL", 90)
    };
    let calls = vec![
        all(vec![open("a", "BRL", 1_000), open("b", "BRL", 0)]),
        all(vec![Command::Transfer(money(1, "world:BRL", "a", 500))]),
        all(vec![
            pend(2, "a", "b", 100, 0),
            Command::Pend {
                transfer: noted,
                timeout_s: 0,
            },
        ]),
        all(vec![pend(4, "a", "b", 80, 1), pend(5, "b", "a", 1, 0)]),
        all(vec![part(6, 2, 30), part(7, 3, 40), part(8, 4, 25)]),
        all(vec![part(9, 2, 20), part(10, 2, 51), post(11, 2, Some(51))]),
        all(vec![post(12, 2, Some(45)), void(13, 3)]),
        // What is left of the fourth expires before this call.
        all(vec![part(14, 4, 1)]),
        all(vec![reverse(15, 6, Some(10)), reverse(16, 8, None)]),
        all(vec![pend(17, "a", "b", 60, 3_600)]),
        all(vec![part(18, 17, 20)]),
        all(vec![part(19, 17, 40)]),
        all(vec![part(20, 17, 1), pend(21, "a", "b", 70, 3_600)]),
        atomic(
            1,
            vec![
                pend(22, "a", "b", 50, 0),
                part(23, 22, 20),
                part(24, 22, 10),
                part(25, 21, 30),
                post(26, 22, None),
            ],
        ),
        atomic(2, vec![part(27, 21, 41)]),
        // A member that is there already fails its batch, whose record has what is there.
        atomic(3, vec![part(25, 21, 30)]),
        atomic(4, vec![post(25, 21, Some(30))]),
        all(vec![part(28, 21, 5)]),
    ];
    let step = |call| [Step::Advance(300_000_000), Step::Submit(vec![call])];
    calls.into_iter().flat_map(step).collect()
}

/// Accounts that are frozen and thawed, with what is refused meanwhile and what goes on.
pub(crate) fn freeze_steps() -> Vec<Step> {
    let pays = |id| accept(id, Some("a"), 5);
    let calls = vec![
        all(vec![open("a", "BRL", 1_000), open("b", "BRL", 1_000)]),
        all(vec![
            Command::Transfer(money(1, "world:BRL", "a", 500)),
            pend(2, "a", "b", 50, 0),
            pend(3, "a", "b", 60, 0),
        ]),
        all(vec![pays(1)]),
        all(vec![send(1, 0, "default")]),
        all(vec![freeze("a", Frozen::Debits)]),
        all(vec![
            Command::Transfer(money(4, "a", "b", 1)),
            pend(5, "a", "b", 1, 0),
            Command::Transfer(money(6, "b", "a", 7)),
        ]),
        all(vec![pays(2)]),
        // What was reserved before goes on.
        all(vec![
            Command::Post {
                id: TransferId::from_u128(7),
                pending_id: TransferId::from_u128(2),
                amount: Some(40),
            },
            part(8, 3, 20),
            Command::Void {
                id: TransferId::from_u128(9),
                pending_id: TransferId::from_u128(3),
            },
        ]),
        all(vec![settle(1, 1)]),
        all(vec![
            Command::ChangeLimit {
                account_id: account("a"),
                credit_limit: 900,
                expected_credit_limit: None,
                by: None,
            },
            freeze("b", Frozen::Credits),
            Command::Transfer(money(10, "world:BRL", "b", 1)),
            Command::Transfer(money(11, "b", "world:BRL", 2)),
        ]),
        atomic(
            1,
            vec![
                freeze("b", Frozen::Both),
                Command::Transfer(money(12, "b", "a", 1)),
            ],
        ),
        atomic(
            2,
            vec![
                freeze("a", Frozen::None),
                Command::Transfer(money(13, "a", "world:BRL", 3)),
            ],
        ),
        all(vec![open("c", "BRL", 0), freeze("c", Frozen::Both)]),
        all(vec![Command::CloseAccount {
            account_id: account("c"),
            expected_entry_count: None,
            by: None,
        }]),
        // A member that is there already fails its batch, whose record has what is there.
        atomic(3, vec![open("b", "BRL", 1_000)]),
    ];
    let step = |call| [Step::Advance(1_000_000), Step::Submit(vec![call])];
    calls.into_iter().flat_map(step).collect()
}

/// Changes of accounts with who decided them, why, both, and neither.
pub(crate) fn reason_steps() -> Vec<Step> {
    let by = |who: &str, why: &str| {
        let note = |text: &str| Note::new(text).ok();
        By::new(note(who), note(why))
    };
    let limit = |credit_limit, by| Command::ChangeLimit {
        account_id: account("a"),
        credit_limit,
        expected_credit_limit: None,
        by,
    };
    let frozen = |frozen, by| Command::ChangeFreeze {
        account_id: account("b"),
        frozen,
        expected_frozen: None,
        by,
    };
    let calls = vec![
        all(vec![
            open("a", "BRL", 1_000),
            open("b", "BRL", 0),
            open("c", "BRL", 0),
        ]),
        all(vec![limit(2_000, by("ana", "ticket 4711"))]),
        all(vec![limit(3_000, by("", "é \" 💸")), limit(2_500, None)]),
        all(vec![Command::Transfer(money(1, "a", "b", 2_400))]),
        all(vec![frozen(Frozen::Debits, by("ana", ""))]),
        // One that is refused leaves nothing.
        all(vec![limit(1, by("ana", "typo"))]),
        atomic(
            1,
            vec![
                frozen(Frozen::None, by("bo", "cleared")),
                limit(2_600, by("bo", "cleared")),
            ],
        ),
        all(vec![Command::CloseAccount {
            account_id: account("c"),
            expected_entry_count: None,
            by: by("ana", "moved away"),
        }]),
    ];
    let step = |call| [Step::Advance(1_000_000), Step::Submit(vec![call])];
    calls.into_iter().flat_map(step).collect()
}

fn freeze(id: &str, frozen: Frozen) -> Command {
    Command::ChangeFreeze {
        account_id: account(id),
        frozen,
        expected_frozen: None,
        by: None,
    }
}

fn part(id: u128, pending_id: u128, amount: u64) -> Command {
    Command::PostPart {
        id: TransferId::from_u128(id),
        pending_id: TransferId::from_u128(pending_id),
        amount,
    }
}

fn reverse(id: u128, reverses: u128, amount: Option<u64>) -> Command {
    Command::Reverse(ReverseTransfer {
        id: TransferId::from_u128(id),
        reverses: TransferId::from_u128(reverses),
        amount,
        description: format!("refund {id}").into(),
        notes: notes(id),
    })
}

/// A reference that is a UUID, another one, metadata, or both.
fn notes(number: u128) -> Notes {
    let order = Reference::new(&format!("order {number} é")).ok();
    let metadata = Metadata::new([("shop", "7"), ("é", "\"")]).unwrap();
    match number % 4 {
        0 => Notes::of_reference(Some(Reference::from_u128(u128::MAX / 3))),
        1 => Notes::of_reference(order),
        2 => Notes::new(None, metadata),
        _ => Notes::new(order, metadata),
    }
}

fn accounts_and_transfers() -> Vec<Batch> {
    vec![
        all(vec![
            open("a", "BRL", 1_000),
            open("b", "BRL", 0),
            open("c", "USD", 10),
            open("d", "BRL", 0),
        ]),
        all(vec![
            Command::Transfer(money(1, "world:BRL", "a", 500)),
            Command::Transfer(money(2, "a", "b", 200)),
        ]),
        all(vec![
            pend(3, "a", "b", 100, 0),
            pend(4, "a", "world:BRL", 50, 0),
            pend(5, "a", "b", 30, 1),
        ]),
        all(vec![
            Command::Post {
                id: TransferId::from_u128(6),
                pending_id: TransferId::from_u128(3),
                amount: Some(60),
            },
            Command::Void {
                id: TransferId::from_u128(7),
                pending_id: TransferId::from_u128(4),
            },
        ]),
        all(vec![
            Command::Transfer(money(8, "b", "a", 10)),
            Command::Transfer(money(9, "b", "a", 100_000)),
            Command::Post {
                id: TransferId::from_u128(10),
                pending_id: TransferId::from_u128(5),
                amount: None,
            },
        ]),
        all(vec![
            Command::ChangeLimit {
                account_id: account("a"),
                credit_limit: 900,
                expected_credit_limit: None,
                by: None,
            },
            Command::CloseAccount {
                account_id: account("d"),
                expected_entry_count: None,
                by: None,
            },
        ]),
    ]
}

fn payments() -> Vec<Batch> {
    vec![
        all(vec![
            accept(1, Some("a"), 40),
            accept(2, None, 70),
            accept(3, Some("a"), 5),
            accept(4, Some("a"), 6),
            accept(5, Some("b"), 1_000_000),
        ]),
        all(vec![
            send(1, 0, "default"),
            Command::ReleasePayment {
                id: PaymentId::from_u128(1),
                expected: expected(PaymentStateName::Sent, 1),
            },
            send(1, 1, "fallback"),
            send(2, 0, "default"),
        ]),
        all(vec![settle(1, 2), settle(2, 1)]),
        all(vec![
            Command::RefusePayment {
                id: PaymentId::from_u128(3),
                expected: expected(PaymentStateName::Accepted, 0),
                code: RefusedCode::OperatorRefused,
            },
            Command::PurgePayments {
                expected_accepted_at: None,
            },
        ]),
    ]
}

fn batches() -> Vec<Batch> {
    let mut described = money(15, "world:BRL", "b", 9_007_199_254);
    described.description = "é".repeat(140).into();
    described.notes = Notes::of_reference(Some(Reference::from_u128(u128::MAX / 3)));
    vec![
        atomic(
            1,
            vec![
                Command::Transfer(money(11, "world:BRL", "b", 5)),
                pend(12, "b", "a", 3, 3_600),
                accept(6, None, 8),
            ],
        ),
        atomic(
            2,
            vec![
                Command::Transfer(money(13, "world:BRL", "b", 5)),
                Command::Transfer(money(14, "b", "a", 100_000)),
            ],
        ),
        all(vec![
            Command::Transfer(described),
            accept(7, None, 11),
            send(7, 0, "default"),
        ]),
        all(vec![settle(7, 1)]),
    ]
}

fn all(commands: Vec<Command>) -> Batch {
    Batch::independent(commands).unwrap()
}

fn atomic(id: u128, commands: Vec<Command>) -> Batch {
    Batch::atomic(BatchId::from_u128(id), commands).unwrap()
}

fn account(id: &str) -> AccountId {
    AccountId::new(id).unwrap()
}

fn open(id: &str, currency: &str, credit_limit: u64) -> Command {
    Command::OpenAccount(OpenAccount {
        id: account(id),
        currency: Currency::new(currency).unwrap(),
        credit_limit,
    })
}

fn money(id: u128, debit: &str, credit: &str, amount: u64) -> MoveMoney {
    MoveMoney {
        id: TransferId::from_u128(id),
        debit_account_id: account(debit),
        credit_account_id: account(credit),
        amount,
        description: format!("number {id}").into(),
        notes: Notes::NONE,
    }
}

fn pend(id: u128, debit: &str, credit: &str, amount: u64, timeout_s: u32) -> Command {
    Command::Pend {
        transfer: money(id, debit, credit, amount),
        timeout_s,
    }
}

fn accept(id: u128, account_id: Option<&str>, amount: u64) -> Command {
    Command::AcceptPayment(payment(id, account_id, amount))
}

fn payment(id: u128, account_id: Option<&str>, amount: u64) -> AcceptPayment {
    AcceptPayment {
        id: PaymentId::from_u128(id),
        account_id: account_id.map(account),
        currency: Currency::new("BRL").unwrap(),
        amount,
        description: format!("payment {id}").into(),
        notes: Notes::NONE,
    }
}

fn send(id: u128, attempt: u32, processor: &str) -> Command {
    Command::SendPayment {
        id: PaymentId::from_u128(id),
        expected: expected(PaymentStateName::Accepted, attempt),
        processor: ProcessorName::new(processor).unwrap(),
        requested_at: Millis(1_767_225_600_000 + u64::from(attempt)),
    }
}

fn settle(id: u128, attempt: u32) -> Command {
    Command::SettlePayment {
        id: PaymentId::from_u128(id),
        expected: expected(PaymentStateName::Sent, attempt),
        requested_at: Millis(1_767_225_600_000 + u64::from(attempt) * 1_000),
    }
}

fn at(offset_ms: u64) -> ResolutionKind {
    let requested_at = Millis(1_767_225_600_000 + offset_ms);
    ResolutionKind::Settled { requested_at }
}

fn resolve(id: u128, state: PaymentStateName, attempt: u32, kind: ResolutionKind) -> Command {
    Command::ResolvePayment(ResolvePayment {
        id: PaymentId::from_u128(id),
        expected: expected(state, attempt),
        kind,
        who: note("ana"),
        why: note(&format!("{} of payment {id} é 💸", kind.as_str())),
        send_lease: std::time::Duration::ZERO,
    })
}

fn note(text: &str) -> Note {
    Note::new(text).unwrap()
}

fn expected(state: PaymentStateName, attempt: u32) -> PaymentExpected {
    PaymentExpected { state, attempt }
}
