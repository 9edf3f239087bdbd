//! The list of payments: as the ledger has them, and those whose outcome nobody knows, as their dispatcher does.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{
    AccountId, DuePlace, DueQuery, ListPlace, Payment, PaymentId, PaymentList, PaymentState,
    PaymentStateName, ProcessorName, Reference, Timestamp, UNSETTLED_PAGE_MAX, Unsettled,
    UnsettledQuery,
};
use serde::Serialize;

use super::lists::{self, Walk};
use super::payments::PaymentView;
use super::statement::Window;
use super::unsettled::{self, PAYMENT_BYTES_MAX, UnsettledPageView};
use super::{notes, parameters, statement, token};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;

const LIMIT_DEFAULT: usize = 50;
/// How many payments a page looks at, at most.
const EXAMINED_MAX: usize = 1_000;
/// How many of them the ledger is asked for at once.
const EXAMINED_AT_ONCE: usize = 250;
const CURSOR: &str = "lastro 2026 open payments cursor";
const KEPT_CURSOR: &str = "lastro 2026 payments cursor";
const PLACE_LENGTH: usize = 8 + 16;

/// A page of payments: of `accepted` or `sent` ones the payments themselves, else what is known of each where it
/// is dispatched.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum PaymentsPageView<'a> {
    Open(OpenPaymentsPageView<'a>),
    Unsettled(UnsettledPageView<'a>),
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OpenPaymentsPageView<'a> {
    /// Payments in the order of their acceptance.
    #[schema(max_items = 100)]
    payments: Vec<PaymentView<'a>>,
    /// The `cursor` of the next page; `null` on the last page.
    next_cursor: Option<String>,
}

/// Which payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    /// The ledger is asked for those that wait.
    Accepted,
    /// The ledger is asked for those that were sent.
    Sent,
    /// Their dispatcher is asked.
    Unknown { conflicts_only: bool },
    /// The ledger's lists of all payments are asked; for those of a state, if one is given.
    Kept(Option<PaymentStateName>),
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    listed: Listed,
    filter: Filter,
    /// Of those that the ledger's lists have.
    window: Window,
    limit: usize,
    cursor: Option<String>,
}

/// Which of the payments of a state.
#[derive(Debug, PartialEq, Eq)]
struct Filter {
    processor: Option<ProcessorName>,
    account_id: Option<AccountId>,
    older_than_s: Option<u64>,
    reference: Option<Reference>,
}

/// Lists payments by the time of their acceptance, in whatever state they are or only those of one; with `state=unknown` or
/// `state=conflict` those whose outcome nobody knows, as the node that dispatches them does.
///
/// A walk from page to page leaves out no payment that was accepted when it began and shows none twice. A page may have fewer
/// payments than its `limit`, or none, and still a `next_cursor`: it looks at 1,000 at most. Those of an account or with a
/// reference, those that a processor settled, and refused ones are looked up; what else is asked for is looked for among
/// them, or among all payments. A key that is bound to accounts is shown only their payments: it names its `account` or a
/// `reference`, or asks for `accepted` or `sent` ones; and none of `unknown` and `conflict`.
///
/// Of `unknown` and `conflict`: if several nodes share a database, each lists those that it dispatches itself; a
/// node of `--role api` asks its ledger node. Conflicts with payments that have ended are kept since that node was
/// started, the newest 1,000; each is in the log as `payment_conflict`.
#[utoipa::path(
    get, path = "/v1/payments", tag = "payments", operation_id = "payments",
    params(
        ("state" = Option<String>, Query, description = "`accepted`: it waits to be sent; `sent`: to a processor, and not \
            settled; `settled`; `refused`, but for those that a purge ended; `unknown`: sent, and nobody knows what became of it, \
            conflicts among them; or `conflict`. All states when left out"),
        ("processor" = Option<String>, Query, description = "Only payments that are at this processor or that it settled"),
        ("account" = Option<String>, Query, description = "Only payments of this account, or of `world:BRL`; not with \
            `unknown` and `conflict`"),
        ("reference" = Option<String>, Query, description = "Only payments with this reference, whole and as it was written; \
            not with `unknown` and `conflict`"),
        ("from" = Option<String>, Query, description = "Payments that were accepted from this time on, which is of RFC 3339 \
            with its offset; not with `unknown` and `conflict`"),
        ("to" = Option<String>, Query, description = "Payments that were accepted before this time; likewise"),
        ("order" = Option<String>, Query, description = "`desc`, the newest first, or `asc`; `desc` by default, and `asc` with \
            `accepted`, `sent`, `unknown` and `conflict`"),
        ("older_than_s" = Option<u64>, Query, description = "Only payments that were accepted so many seconds ago \
            or earlier"),
        ("limit" = Option<u16>, Query, description = "1 to 100 payments; 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same \
            other parameters; `limit` may be another"),
    ),
    responses(
        (status = 200, description = "A page",
            body = PaymentsPageView),
        (status = 400, description = "`account_id_invalid`, `cursor_invalid`, `limit_invalid`, `query_invalid`, \
            `reference_invalid`, `time_invalid`"),
        (status = 501, description = "`not_supported`: no payments are dispatched here, or there are none in \
            this ledger"),
    )
)]
pub(crate) async fn list_payments(call: Call, request: Request) -> Answered {
    let asked = asked(request.uri().query())?;
    let accepted_by = asked.filter.accepted_by(call.now());
    match asked.listed {
        Listed::Kept(state) => kept_payments(&call, &asked, state, accepted_by).await,
        Listed::Accepted | Listed::Sent => open_payments(&call, &asked, accepted_by).await,
        Listed::Unknown { conflicts_only } => {
            let after = asked
                .cursor
                .as_deref()
                .map(|cursor| unsettled::decode(cursor).ok_or_else(errors::cursor_invalid));
            let query = UnsettledQuery {
                id: None,
                conflicts_only,
                after: after.transpose()?,
                limit: asked.limit,
            };
            unsettled_payments(&call, query, |unsettled| {
                asked.filter.wants_unsettled(unsettled, accepted_by)
            })
            .await
        }
    }
}

async fn unsettled_payments(
    call: &Call,
    query: UnsettledQuery,
    is_wanted: impl Fn(&Unsettled) -> bool,
) -> Answered {
    let place = call.place((query.limit + 1) * PAYMENT_BYTES_MAX)?;
    let page = call.unsettled(query).await?;
    let last = page.last().filter(|_| page.len() == query.limit);
    let wanted = page.iter().filter(|unsettled| is_wanted(unsettled));
    let view = PaymentsPageView::Unsettled(UnsettledPageView::new(wanted, last));
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

async fn open_payments(call: &Call, asked: &Asked, accepted_by: Timestamp) -> Answered {
    let mut after = match asked.cursor.as_deref() {
        Some(cursor) => Some(asked.decode(cursor).ok_or_else(errors::cursor_invalid)?),
        None => None,
    };
    let place = call.place((asked.limit + 1) * PAYMENT_BYTES_MAX)?;
    let mut payments = Vec::new();
    let mut examined_count = 0;
    let mut is_over = false;
    'page: while !is_over && examined_count < EXAMINED_MAX {
        let limit = EXAMINED_AT_ONCE;
        let due = call.payments_due(DueQuery { after, limit }).await?;
        is_over = due.len() < limit;
        for payment in due {
            if payment.accepted_at > accepted_by {
                is_over = true;
                break 'page;
            }
            if payments.len() == asked.limit {
                is_over = false;
                break 'page;
            }
            after = Some(payment.place());
            examined_count += 1;
            if asked.wants(&payment) && call.may_see_payment(&payment) {
                payments.push(payment);
            }
        }
    }
    let next = after.filter(|_| !is_over);
    let view = PaymentsPageView::Open(OpenPaymentsPageView {
        payments: payments.iter().map(PaymentView::from).collect(),
        next_cursor: next.map(|next| asked.encode(next)),
    });
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

/// A page of what the ledger's lists have.
async fn kept_payments(
    call: &Call,
    asked: &Asked,
    state: Option<PaymentStateName>,
    accepted_by: Timestamp,
) -> Answered {
    let parts = asked.kept_parts();
    let after = asked.cursor.as_deref().map(|cursor| {
        let after = lists::decode(KEPT_CURSOR, cursor, &parts);
        after.ok_or_else(errors::cursor_invalid)
    });
    let mut window = asked.window;
    if asked.filter.older_than_s.is_some() {
        let end = Timestamp::from_nanos(accepted_by.as_nanos().saturating_add(1));
        window.to = Some(window.to.map_or(end, |to| to.min(end)));
    }
    let place = call.place((asked.limit + 1) * PAYMENT_BYTES_MAX)?;
    let list = asked.filter.list(state);
    // A cursor would tell a key that is bound to accounts when others pay.
    match &list {
        PaymentList::Of(account_id) => call.check_account(account_id)?,
        PaymentList::With(_) => {}
        PaymentList::All | PaymentList::SettledBy(_) | PaymentList::Refused => {
            call.check_all_accounts()?;
        }
    }
    let filters = asked.filter.is_any(&list, state) || call.has_limited_accounts();
    let mut walk = Walk::new(&window, after.transpose()?, asked.limit, filters);
    while let Some(page) = walk.next_page() {
        let payments = call.payments(list.clone(), page).await;
        let Some(payments) = walk.or_end_early(payments)? else {
            break;
        };
        walk.take_in(payments, ListPlace::of_payment, |payment| {
            asked.filter.wants_kept(payment, state) && call.may_see_payment(payment)
        });
        if call.is_half_over() {
            walk.end_early();
        }
    }
    let (payments, next) = walk.finish();
    let view = PaymentsPageView::Open(OpenPaymentsPageView {
        payments: payments.iter().map(PaymentView::from).collect(),
        next_cursor: next.map(|next| lists::encode(KEPT_CURSOR, next, &parts)),
    });
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

impl Filter {
    /// The shortest list that has all that is asked for.
    fn list(&self, state: Option<PaymentStateName>) -> PaymentList {
        if let Some(reference) = &self.reference {
            return PaymentList::With(reference.clone());
        }
        match (&self.account_id, state, &self.processor) {
            (Some(account_id), _, _) if !account_id.is_reserved() => {
                PaymentList::Of(account_id.clone())
            }
            (_, Some(PaymentStateName::Settled), Some(processor)) => {
                PaymentList::SettledBy(processor.clone())
            }
            (_, Some(PaymentStateName::Refused), _) => PaymentList::Refused,
            (_, _, _) => PaymentList::All,
        }
    }

    /// Whether something of the list is left out.
    fn is_any(&self, list: &PaymentList, state: Option<PaymentStateName>) -> bool {
        let is_whole = match list {
            PaymentList::All | PaymentList::With(_) => {
                state.is_none() && self.processor.is_none() && self.account_id.is_none()
            }
            PaymentList::Of(_) => state.is_none() && self.processor.is_none(),
            PaymentList::SettledBy(_) => self.account_id.is_none(),
            PaymentList::Refused => self.processor.is_none() && self.account_id.is_none(),
        };
        !is_whole
    }

    fn wants_kept(&self, payment: &Payment, state: Option<PaymentStateName>) -> bool {
        let processor = match &payment.state {
            PaymentState::Sent { processor, .. } | PaymentState::Settled { processor, .. } => {
                Some(processor)
            }
            PaymentState::Accepted | PaymentState::Refused { .. } => None,
        };
        let is_in_state = match state {
            None => true,
            Some(PaymentStateName::Refused) => PaymentList::Refused.has(payment),
            Some(state) => payment.state.name() == state,
        };
        is_in_state
            && (self.processor.is_none() || self.processor.as_ref() == processor)
            && self
                .account_id
                .as_ref()
                .is_none_or(|id| *id == payment.payer())
            && (self.reference.is_none() || self.reference.as_ref() == payment.notes.reference())
    }

    /// The newest time of acceptance that is asked for.
    fn accepted_by(&self, now: Timestamp) -> Timestamp {
        let Some(older_than_s) = self.older_than_s else {
            return Timestamp::from_nanos(u64::MAX);
        };
        let age = Duration::from_secs(older_than_s).as_nanos();
        let accepted_by = u128::from(now.as_nanos()).saturating_sub(age);
        u64::try_from(accepted_by).map_or(now, Timestamp::from_nanos)
    }

    fn wants_unsettled(&self, unsettled: &Unsettled, accepted_by: Timestamp) -> bool {
        let processor = self.processor.as_ref();
        unsettled.place.accepted_at <= accepted_by
            && processor.is_none_or(|processor| unsettled.processor.as_ref() == Some(processor))
    }
}

impl Asked {
    fn wants(&self, payment: &Payment) -> bool {
        let (listed, processor) = match &payment.state {
            PaymentState::Accepted => (Listed::Accepted, None),
            PaymentState::Sent { processor, .. } => (Listed::Sent, Some(processor)),
            // They are not due.
            PaymentState::Settled { .. } | PaymentState::Refused { .. } => return false,
        };
        let Filter {
            processor: wanted,
            account_id,
            older_than_s: _,
            reference: _,
        } = &self.filter;
        listed == self.listed
            && (wanted.is_none() || wanted.as_ref() == processor)
            && account_id.as_ref().is_none_or(|id| *id == payment.payer())
    }

    /// What a cursor is bound to: the limit may be another on each page.
    fn parts(&self) -> [Vec<u8>; 4] {
        let listed: &[u8] = match self.listed {
            Listed::Accepted => b"accepted",
            Listed::Sent => b"sent",
            Listed::Unknown { .. } => b"unknown",
            Listed::Kept(state) => state.map_or("kept", PaymentStateName::as_str).as_bytes(),
        };
        let Filter {
            processor,
            account_id,
            older_than_s,
            reference: _,
        } = &self.filter;
        let text = |text: Option<&str>| text.unwrap_or("").as_bytes().to_vec();
        [
            listed.to_vec(),
            text(processor.as_ref().map(ProcessorName::as_str)),
            text(account_id.as_ref().map(AccountId::as_str)),
            text(older_than_s.map(|age| age.to_string()).as_deref()),
        ]
    }

    fn kept_parts(&self) -> Vec<Vec<u8>> {
        let reference = self.filter.reference.as_ref();
        let mut parts = self.parts().to_vec();
        parts.push(reference.map_or("", Reference::as_str).as_bytes().to_vec());
        parts.extend(lists::window_parts(&self.window));
        parts
    }

    fn encode(&self, place: DuePlace) -> String {
        let mut bytes = [0; PLACE_LENGTH];
        bytes[..8].copy_from_slice(&place.accepted_at.as_nanos().to_be_bytes());
        bytes[8..].copy_from_slice(&place.id.to_bytes());
        token::seal(CURSOR, &bytes, &self.parts().each_ref().map(Vec::as_slice))
    }

    fn decode(&self, cursor: &str) -> Option<DuePlace> {
        let parts = self.parts();
        let place = token::unseal(CURSOR, cursor, &parts.each_ref().map(Vec::as_slice))?;
        let place: [u8; PLACE_LENGTH] = place.try_into().ok()?;
        Some(DuePlace {
            accepted_at: Timestamp::from_nanos(u64::from_be_bytes(place[..8].try_into().ok()?)),
            id: PaymentId::from_u128(u128::from_be_bytes(place[8..].try_into().ok()?)),
        })
    }
}

/// A payment in one line of JSON, as this list shows it.
#[must_use]
pub fn payment_json(payment: &Payment) -> String {
    let line = serde_json::to_string(&PaymentView::from(payment));
    line.expect("plain data, written to memory")
}

/// Reads the query; each parameter at most once and nothing else.
fn asked(query: Option<&str>) -> Result<Asked, Problem> {
    let names = [
        "state",
        "processor",
        "account",
        "older_than_s",
        "reference",
        "from",
        "to",
        "order",
        "limit",
        "cursor",
    ];
    let [
        state,
        processor,
        account,
        older_than_s,
        reference,
        from,
        to,
        order,
        limit,
        cursor,
    ] = parameters::read(query, names)?;
    let is_of_lists = reference.is_some() || from.is_some() || to.is_some() || order.is_some();
    let listed = listed(state.as_deref(), is_of_lists)?;
    // Those that are not over come in the order in which they are worked off.
    let order = match (order, listed) {
        (None, Listed::Kept(Some(PaymentStateName::Accepted | PaymentStateName::Sent))) => {
            Some("asc".into())
        }
        (order, _) => order,
    };
    let reference = reference.as_deref().map(notes::reference).transpose()?;
    let account_id = parameters::account_id("account", account.as_deref())?;
    if account_id.is_some() && matches!(listed, Listed::Unknown { .. }) {
        let detail = "account is not for `unknown` and `conflict`: whose such a payment is, is not known where it is \
                      dispatched";
        return Err(errors::query_invalid(detail));
    }
    let processor = processor.as_deref().map(ProcessorName::new).transpose();
    let processor = processor.map_err(|_| {
        errors::query_invalid("processor is a name of 1 to 32 characters of A-Z a-z 0-9 _ -")
    })?;
    let older_than_s = older_than_s.as_deref().map(|text| {
        let seconds = parameters::whole_number(text);
        seconds.ok_or_else(|| errors::query_invalid("older_than_s is a whole number of seconds"))
    });
    let older_than_s = older_than_s.transpose()?;
    Ok(Asked {
        listed,
        filter: Filter {
            processor,
            account_id,
            older_than_s,
            reference,
        },
        window: statement::window(from.as_deref(), to.as_deref(), order.as_deref())?,
        limit: parameters::limit(limit.as_deref(), LIMIT_DEFAULT, UNSETTLED_PAGE_MAX)?,
        cursor,
    })
}

/// Which payments are asked for by `state`; `is_of_lists` says that something is asked for that only the ledger's lists
/// know.
fn listed(state: Option<&str>, is_of_lists: bool) -> Result<Listed, Problem> {
    let unknown = |conflicts_only| match is_of_lists {
        true => Err(errors::query_invalid(
            "reference, from, to and order are not for `unknown` and `conflict`: those are listed where they are \
             dispatched",
        )),
        false => Ok(Listed::Unknown { conflicts_only }),
    };
    match state {
        None => Ok(Listed::Kept(None)),
        Some("settled") => Ok(Listed::Kept(Some(PaymentStateName::Settled))),
        Some("refused") => Ok(Listed::Kept(Some(PaymentStateName::Refused))),
        Some("accepted") if is_of_lists => Ok(Listed::Kept(Some(PaymentStateName::Accepted))),
        Some("sent") if is_of_lists => Ok(Listed::Kept(Some(PaymentStateName::Sent))),
        Some("accepted") => Ok(Listed::Accepted),
        Some("sent") => Ok(Listed::Sent),
        Some("unknown") => unknown(false),
        Some("conflict") => unknown(true),
        Some(_) => Err(errors::query_invalid(
            "state is `accepted`, `sent`, `settled`, `refused`, `unknown` or `conflict`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly() {
        let unknown = Listed::Unknown {
            conflicts_only: false,
        };
        let conflict = Listed::Unknown {
            conflicts_only: true,
        };
        for (text, expected) in [
            ("state=unknown", Ok((unknown, 50))),
            ("state=conflict&limit=100", Ok((conflict, 100))),
            (
                "state=unknown&processor=a&older_than_s=60",
                Ok((unknown, 50)),
            ),
            ("state=accepted&limit=1", Ok((Listed::Accepted, 1))),
            (
                "state=sent&account=users:42&older_than_s=0",
                Ok((Listed::Sent, 50)),
            ),
            ("", Ok((Listed::Kept(None), 50))),
            (
                "state=settled&order=asc",
                Ok((Listed::Kept(Some(PaymentStateName::Settled)), 50)),
            ),
            (
                "state=refused",
                Ok((Listed::Kept(Some(PaymentStateName::Refused)), 50)),
            ),
            (
                "state=sent&reference=a",
                Ok((Listed::Kept(Some(PaymentStateName::Sent)), 50)),
            ),
            ("state=ended", Err("query_invalid")),
            ("state=unknown&reference=a", Err("query_invalid")),
            ("state=conflict&order=asc", Err("query_invalid")),
            ("reference=", Err("reference_invalid")),
            ("from=yesterday", Err("time_invalid")),
            ("state=unknown&state=unknown", Err("query_invalid")),
            ("state=unknown&page=1", Err("query_invalid")),
            ("state=unknown&account=1", Err("query_invalid")),
            ("state=unknown&limit=101", Err("limit_invalid")),
            ("state=unknown&limit=0", Err("limit_invalid")),
            ("state=unknown&limit=+1", Err("limit_invalid")),
            ("state=sent&account=a%20b", Err("account_id_invalid")),
            ("state=sent&processor=a%20b", Err("query_invalid")),
            ("state=sent&processor=", Err("query_invalid")),
            ("state=sent&older_than_s=-1", Err("query_invalid")),
            ("state=sent&older_than_s=1.5", Err("query_invalid")),
            ("state=sent&older_than_s=", Err("query_invalid")),
        ] {
            let read = asked(Some(text)).map(|asked| (asked.listed, asked.limit));
            let read = read.map_err(|problem| problem.code.as_str());
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn a_cursor_goes_on_with_its_own_query_alone() {
        let place = DuePlace {
            accepted_at: Timestamp::from_nanos(7),
            id: PaymentId::from_u128(1 << 77),
        };
        let queries = [
            "state=sent",
            "state=accepted",
            "state=sent&processor=a",
            "state=sent&account=a",
            "state=sent&older_than_s=60",
            "state=sent&older_than_s=6",
        ];
        for of in queries {
            let cursor = asked(Some(of)).unwrap().encode(place);
            for with in queries {
                let with_it = asked(Some(&format!("{with}&limit=7"))).unwrap();
                let expected = (of == with).then_some(place);
                assert_eq!(with_it.decode(&cursor), expected, "{of} {with}");
            }
        }
    }

    #[test]
    fn an_age_that_is_longer_than_all_time_asks_for_nothing() {
        let now = Timestamp::from_nanos(10_000_000_000);
        for (older_than_s, expected) in [
            (None, u64::MAX),
            (Some(0), 10_000_000_000),
            (Some(3), 7_000_000_000),
            (Some(11), 0),
            (Some(u64::MAX), 0),
        ] {
            let filter = Filter {
                processor: None,
                account_id: None,
                older_than_s,
                reference: None,
            };
            assert_eq!(filter.accepted_by(now).as_nanos(), expected);
        }
    }
}
