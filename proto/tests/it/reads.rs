//! The questions and answers of the reads come back as they were.

use ledger::{
    AccountsQuery, Currency, DueQuery, Event, LastAnswer, ListOrder, ListPage, ListPlace, Millis,
    Payment, PaymentId, PaymentList, PendingEnd, ProcessorName, ProcessorSummary, Reference, State,
    StatementQuery, Timestamp, TransferList, Unsettled, UnsettledPlace, UnsettledQuery,
    UnsettledState,
};
use proto::{Message, v1};

use crate::history::history;

/// The message after a way over the wire.
fn carried<M: Message + Default>(message: &M) -> M {
    M::decode(&*message.encode_to_vec()).unwrap()
}

#[test]
fn accounts_and_statements() {
    let history = history(7, 900);
    let mut entries_count = 0;
    for id in history.generator.accounts() {
        let account = history.books.state().account(&id);
        let message = v1::GetAccountResponse::of(&id, account);
        assert_eq!(carried(&message).read().unwrap(), account);
        let query = StatementQuery {
            account_id: id.clone(),
            before: None,
            limit: 100,
        };
        assert_eq!(
            carried(&v1::GetStatementRequest::from(&query))
                .read()
                .unwrap(),
            query
        );
        let statement = history.books.statement(&query);
        let message = v1::GetStatementResponse::of(&id, statement.as_ref());
        entries_count += message.entries.len();
        assert_eq!(carried(&message).read().unwrap(), statement);
        let at = Timestamp::from_nanos(u64::MAX / 2);
        assert_eq!(
            carried(&v1::GetBalanceAtRequest::of(&id, at))
                .read()
                .unwrap(),
            (id.clone(), at)
        );
        let balance = history.books.balance_at(&id, at);
        assert_eq!(
            carried(&v1::GetBalanceAtResponse::from(balance)).read(),
            balance
        );
    }
    assert!(entries_count > 100);
}

#[test]
fn pages_of_lists() {
    let history = history(7, 900);
    let reference = Reference::new("order 1017 é").unwrap();
    let processor = ProcessorName::new("default").unwrap();
    let account_id = history.generator.accounts()[0].clone();
    let pages = [
        ListPage::first(ListOrder::Descending, 7),
        ListPage {
            order: ListOrder::Ascending,
            after: Some(ListPlace {
                at: Timestamp::from_nanos(u64::MAX),
                id: u128::MAX - 1,
            }),
            until: Some(Timestamp::from_nanos(0)),
            limit: 1_000,
        },
    ];
    let of = TransferList::Of(account_id.clone());
    for list in [of.clone(), TransferList::With(reference.clone())] {
        for page in pages {
            let message = v1::ListTransfersRequest::of(&list, &page);
            assert_eq!(carried(&message).read().unwrap(), (list.clone(), page));
        }
    }
    for list in [
        PaymentList::All,
        PaymentList::Of(account_id),
        PaymentList::With(reference),
        PaymentList::SettledBy(processor),
        PaymentList::Refused,
    ] {
        for page in pages {
            let message = v1::ListPaymentsRequest::of(&list, &page);
            assert_eq!(carried(&message).read().unwrap(), (list.clone(), page));
        }
    }
    let whole = ListPage::first(ListOrder::Descending, 1_000);
    let mut ends = 0;
    for id in history.generator.accounts() {
        let listed = history.books.transfers_page(&TransferList::Of(id), &whole);
        ends += listed.iter().filter(|listed| listed.end.is_some()).count();
        let message = v1::ListTransfersResponse::from(&*listed);
        assert_eq!(carried(&message).read().unwrap(), listed);
    }
    let payments = history.books.payments_page(&PaymentList::All, &whole);
    let message = v1::ListPaymentsResponse::from(&*payments);
    assert_eq!(carried(&message).read().unwrap(), payments);
    assert!(ends > 0 && payments.len() > 10, "{ends} {}", payments.len());
}

/// What no version of this one's writes is not taken for something else.
#[test]
fn a_list_that_is_not_known_is_refused() {
    let page = v1::ListPage::from(&ListPage::first(ListOrder::Descending, 7));
    let list = v1::list_transfers_request::List::AccountId("1".to_owned());
    let good = v1::ListTransfersRequest {
        list: Some(list),
        page: Some(page.clone()),
    };
    assert!(good.read().is_ok());
    let without_list = v1::ListTransfersRequest {
        list: None,
        ..good.clone()
    };
    let without_page = v1::ListTransfersRequest {
        page: None,
        ..good.clone()
    };
    let of_no_order = v1::ListTransfersRequest {
        page: Some(v1::ListPage { order: 0, ..page }),
        ..good
    };
    for question in [without_list, without_page, of_no_order] {
        assert!(question.read().is_err(), "{question:?}");
    }
    for list in [
        v1::list_payments_request::List::All(false),
        v1::list_payments_request::List::Refused(false),
        v1::list_payments_request::List::SettledBy("a b".to_owned()),
        v1::list_payments_request::List::ReferenceText(String::new()),
    ] {
        let question = v1::ListPaymentsRequest {
            list: Some(list),
            page: Some(v1::ListPage::from(&ListPage::first(
                ListOrder::Ascending,
                1,
            ))),
        };
        assert!(question.read().is_err(), "{question:?}");
    }
}

#[test]
fn pages_of_accounts() {
    let history = history(7, 900);
    let mut query = AccountsQuery {
        after: None,
        prefix: None,
        currency: None,
        closed: None,
        limit: 7,
    };
    let mut accounts_count = 0;
    loop {
        let message = v1::ListAccountsRequest::from(&query);
        assert_eq!(carried(&message).read().unwrap(), query);
        let page = history.books.accounts_page(query.clone());
        accounts_count += page.accounts.len();
        let message = v1::ListAccountsResponse::from(&page);
        assert_eq!(carried(&message).read().unwrap(), page);
        match page.next_after {
            Some(after) => query.after = Some(after),
            None => break,
        }
    }
    assert_eq!(accounts_count, history.books.accounts().count());
    assert!(accounts_count > 14, "{accounts_count}");
    for closed in [false, true] {
        query.prefix = query.after.clone();
        query.currency = Some(Currency::new("BRL").unwrap());
        query.closed = Some(closed);
        let message = v1::ListAccountsRequest::from(&query);
        assert_eq!(carried(&message).read().unwrap(), query);
    }
    let unknown = v1::ListAccountsRequest {
        currency: "real".to_owned(),
        ..v1::ListAccountsRequest::default()
    };
    assert!(carried(&unknown).read().is_err());
}

#[test]
fn batches_come_back_without_their_commands() {
    let history = history(9, 1_500);
    let (mut applied, mut failed) = (0, 0);
    for event in history.books.events() {
        let Event::Batch(batch) = event else {
            continue;
        };
        let request = v1::GetBatchRequest {
            id: batch.id.to_bytes().to_vec(),
        };
        assert_eq!(carried(&request).read().unwrap(), batch.id);
        let outcomes = history.books.state().batch(batch.id).unwrap().outcomes;
        match batch.failure {
            None => applied += 1,
            Some(_) => failed += 1,
        }
        let message = v1::GetBatchResponse::of(Some(&outcomes));
        assert_eq!(carried(&message).read().unwrap(), Some(outcomes));
    }
    assert!(applied > 10 && failed > 10, "{applied} {failed}");
    let none = v1::GetBatchResponse::of(None);
    assert_eq!(carried(&none).read().unwrap(), None);
    // What an answer to a submit leaves out is nowhere here.
    let moved = v1::outcome::Result::Moved(v1::Moved::default());
    let outcome = v1::Outcome {
        result: Some(moved),
        replayed: false,
    };
    let outcomes = vec![outcome];
    let incomplete = v1::GetBatchResponse {
        outcomes: Some(v1::Outcomes { outcomes }),
    };
    assert!(carried(&incomplete).read().is_err());
}

#[test]
fn used_ids_and_payments() {
    let history = history(8, 1_500);
    let memory = history.books.state();
    let mut resolutions_count = 0;
    let mut ends = Vec::new();
    for event in history.books.events() {
        let transfer = match event {
            Event::Refused { command, .. } => match command.used_id() {
                Some(ledger::UsedId::Transfer(id)) => memory.transfer(id),
                _ => None,
            },
            event => event
                .transfer()
                .and_then(|transfer| memory.transfer(transfer.id)),
        };
        let end = event
            .transfer()
            .and_then(|transfer| history.books.pending_end(transfer.id));
        ends.extend(end);
        let message = v1::GetTransferResponse::of(transfer.as_ref(), end);
        assert_eq!(carried(&message).read().unwrap(), transfer);
        assert_eq!(carried(&message).read_end().unwrap(), end);
        let payment = event
            .payment()
            .and_then(|payment| memory.payment(payment.id));
        let message = v1::GetPaymentResponse::from(payment.as_ref());
        assert_eq!(carried(&message).read().unwrap(), payment);
        if let Some(id) = event.resolution().and(event.payment()).map(|of| of.id) {
            let payment_id = id.to_bytes().to_vec();
            let message = v1::ListResolutionsRequest { payment_id };
            assert_eq!(carried(&message).read().unwrap(), id);
            let resolutions = history.books.resolutions(id);
            resolutions_count += resolutions.len();
            let message = v1::ListResolutionsResponse::from(&*resolutions);
            assert_eq!(carried(&message).read().unwrap(), resolutions);
        }
    }
    assert!(resolutions_count > 10, "{resolutions_count}");
    let of_kind = |by: bool, posted: bool| {
        let is =
            |end: &&PendingEnd| (end.by.is_some(), end.posted_amount.is_some()) == (by, posted);
        ends.iter().filter(is).count()
    };
    let counts = [
        of_kind(true, true),
        of_kind(true, false),
        of_kind(false, false),
    ];
    assert!(counts.iter().all(|count| *count > 3), "{counts:?}");
    let query = DueQuery {
        after: None,
        limit: 1_000,
    };
    let due: Vec<Payment> = history.books.payments_due(query);
    let after = DueQuery {
        after: due.first().map(Payment::place),
        limit: 1,
    };
    for query in [query, after] {
        let message = v1::ListPaymentsDueRequest::from(query);
        assert_eq!(carried(&message).read().unwrap(), query);
    }
    let message = v1::ListPaymentsDueResponse::from(&*due);
    assert_eq!(carried(&message).read().unwrap(), due);
}

#[test]
fn what_is_known_of_payments_on_their_way() {
    let place = UnsettledPlace {
        accepted_at: Timestamp::from_nanos(7),
        id: PaymentId::from_u128(1 << 77),
        ordinal: 63,
    };
    for (id, after) in [(None, Some(place)), (Some(place.id), None)] {
        let query = UnsettledQuery {
            id,
            conflicts_only: after.is_some(),
            after,
            limit: 100,
        };
        let message = v1::ListUnsettledPaymentsRequest::from(&query);
        assert_eq!(carried(&message).read().unwrap(), query);
    }
    let states = [
        UnsettledState::Waiting,
        UnsettledState::UnderWay,
        UnsettledState::Unknown,
        UnsettledState::Pending,
        UnsettledState::OtherAmount,
        UnsettledState::RecordedElsewhere,
    ];
    let mut unsettled: Vec<Unsettled> = states
        .map(|state| Unsettled {
            place,
            state,
            processor: None,
            attempt: 0,
            unknown_since: None,
            next_question_at: None,
            last_answer: None,
        })
        .into();
    unsettled[2] = Unsettled {
        processor: Some(ProcessorName::new("default").unwrap()),
        attempt: 3,
        unknown_since: Some(Timestamp::from_nanos(8)),
        next_question_at: Some(Timestamp::from_nanos(9)),
        last_answer: Some(LastAnswer {
            at: Timestamp::from_nanos(10),
            was_question: true,
            status: Some(502),
            failure: String::new(),
            body: "<html>".to_owned(),
        }),
        ..unsettled[2].clone()
    };
    let message = v1::ListUnsettledPaymentsResponse::from(&*unsettled);
    assert_eq!(carried(&message).read().unwrap(), unsettled);
    let unknown = v1::ListUnsettledPaymentsResponse {
        payments: vec![v1::UnsettledPayment::default()],
    };
    assert!(carried(&unknown).read().is_err());
}

#[test]
fn summaries_are_exact_past_64_bits() {
    let summary = vec![ProcessorSummary {
        processor: ProcessorName::new("default").unwrap(),
        payments_count: 3,
        amount: (1 << 70) + 5,
    }];
    let message = v1::GetPaymentsSummaryResponse::from(&*summary);
    assert_eq!(carried(&message).read().unwrap(), summary);
    let (from, to) = (Some(Millis(1)), None);
    let message = v1::GetPaymentsSummaryRequest::of(from, to);
    assert_eq!(carried(&message).read(), (from, to));
}
