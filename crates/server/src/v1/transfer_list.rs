//! The list of transfers: those of an account, or those with a reference.

use axum::extract::Request;
use axum::http::StatusCode;
use ledger::{
    AccountId, LIST_PAGE_MAX, ListPlace, ListedTransfer, PendingState, Reference, Transfer,
    TransferList,
};
use serde::Serialize;

use super::lists::{self, Walk};
use super::notes::{self, NOTES_JSON_BYTES_MAX};
use super::statement::Window;
use super::views::{TRANSFER_BYTES_MAX, TransferView};
use super::{parameters, statement};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;

const LIMIT_DEFAULT: usize = 50;
const CURSOR: &str = "lastro 2026 transfers cursor";
/// A transfer's longest JSON, with two ids of accounts and a description of characters of four bytes.
const LISTED_BYTES_MAX: usize = TRANSFER_BYTES_MAX + 128 + 4 * 140 + NOTES_JSON_BYTES_MAX;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TransfersPageView<'a> {
    /// Each as it stands now; in the order of time.
    #[schema(max_items = 1000)]
    transfers: Vec<TransferView<'a>>,
    /// The `cursor` of the next page; `null` on the last page.
    next_cursor: Option<String>,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    list: TransferList,
    filter: Filter,
    window: Window,
    limit: usize,
    after: Option<ListPlace>,
}

/// Which of the transfers of a list.
#[derive(Debug, PartialEq, Eq)]
struct Filter {
    /// Where the list is of a reference.
    account_id: Option<AccountId>,
    kind: Option<&'static str>,
    state: Option<PendingState>,
}

/// Lists the transfers of an account, the system's `world:` and `processor:` accounts included, or those with a reference,
/// or those of an account with a reference.
///
/// A walk from page to page leaves out no transfer that was there when it began and shows none twice, whatever is written
/// meanwhile. Where some are left out (by `kind`, `state`, `account` with `reference`, or for the key) a page may have fewer
/// transfers than its `limit`, or none, and still a `next_cursor`: it looks at 1,000 at most. A `pend` that has expired is shown in its own place, with `pending_state`: `expired`. A key
/// that is bound to accounts is shown only transfers that it may read; the list of one of the system's accounts needs a key
/// for all accounts.
#[utoipa::path(
    get, path = "/v1/transfers", tag = "transfers", operation_id = "transfers",
    params(
        ("account" = Option<String>, Query, description = "Only transfers that debit or credit this account; this or \
            `reference` is needed", example = "users:42"),
        ("reference" = Option<String>, Query, description = "Only transfers with this reference, whole and as it was written; a plus sign in the query is a space",
            example = "order 1017"),
        ("kind" = Option<String>, Query, description = "Only of this kind: `transfer`, `pend`, `post`, `void`, `settle` or \
            `reverse`"),
        ("state" = Option<String>, Query, description = "Only `pend`s that stand so: `pending`, `posted`, `voided` or `expired`"),
        ("from" = Option<String>, Query, description = "Transfers from this time on, which is of RFC 3339 with its offset",
            example = "2026-01-01T00:00:00-03:00"),
        ("to" = Option<String>, Query, description = "Transfers before this time"),
        ("order" = Option<String>, Query, description = "`desc`, the newest first, or `asc`; `desc` by default"),
        ("limit" = Option<u16>, Query, description = "1 to 1000 transfers; 50 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same other parameters; \
            `limit` may be another"),
    ),
    responses(
        (status = 200, description = "A page", body = TransfersPageView),
        (status = 400, description = "`account_id_invalid`, `cursor_invalid`, `limit_invalid`, `query_invalid`, \
            `reference_invalid`, `time_invalid`"),
        (status = 501, description = "`not_supported`: a Redis is in front of this ledger"),
    )
)]
pub(crate) async fn transfers(call: Call, request: Request) -> Answered {
    let asked = asked(request.uri().query())?;
    if let Some(account_id) = asked.account_id() {
        call.check_list_of(account_id)?;
    }
    let place = call.place((asked.limit + 1) * LISTED_BYTES_MAX)?;
    let filters = asked.filter.is_any() || call.has_limited_accounts();
    let mut walk = Walk::new(&asked.window, asked.after, asked.limit, filters);
    while let Some(page) = walk.next_page() {
        let listed = call.transfers(asked.list.clone(), page).await;
        let Some(listed) = walk.or_end_early(listed)? else {
            break;
        };
        walk.take_in(
            listed,
            |listed| ListPlace::of_transfer(&listed.transfer),
            |listed| asked.filter.wants(listed) && call.may_see_transfer(&listed.transfer),
        );
        if call.is_half_over() {
            walk.end_early();
        }
    }
    let (listed, next) = walk.finish();
    let view = TransfersPageView {
        transfers: listed.iter().map(TransferView::from).collect(),
        next_cursor: next.map(|next| lists::encode(CURSOR, next, &asked.parts())),
    };
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

impl<'a> From<&'a ListedTransfer> for TransferView<'a> {
    fn from(listed: &'a ListedTransfer) -> Self {
        Self::new(&listed.transfer).standing_so(listed.standing, listed.end)
    }
}

/// A transfer in one line of JSON, as this list shows it.
#[must_use]
pub fn transfer_json(listed: &ListedTransfer) -> String {
    let line = serde_json::to_string(&TransferView::from(listed));
    line.expect("plain data, written to memory")
}

impl Filter {
    /// Whether something is left out.
    const fn is_any(&self) -> bool {
        self.account_id.is_some() || self.kind.is_some() || self.state.is_some()
    }

    fn wants(&self, listed: &ListedTransfer) -> bool {
        let Transfer {
            kind,
            debit_account_id,
            credit_account_id,
            ..
        } = &listed.transfer;
        let is_of = |id: &AccountId| id == debit_account_id || id == credit_account_id;
        self.account_id.as_ref().is_none_or(is_of)
            && self.kind.is_none_or(|wanted| wanted == kind.as_str())
            && (self.state.is_none() || self.state == listed.standing.pending_state())
    }
}

impl Asked {
    fn account_id(&self) -> Option<&AccountId> {
        match &self.list {
            TransferList::Of(account_id) => Some(account_id),
            TransferList::With(_) => self.filter.account_id.as_ref(),
        }
    }

    /// What a cursor is bound to: the limit may be another on each page.
    fn parts(&self) -> Vec<Vec<u8>> {
        let name = self.list.name();
        let (kind, of) = name.parts();
        let Filter {
            account_id,
            kind: of_kind,
            state,
        } = &self.filter;
        let texts = [
            kind,
            of,
            account_id.as_ref().map_or("", AccountId::as_str),
            of_kind.unwrap_or(""),
            state.map_or("", PendingState::as_str),
        ];
        let mut parts: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        parts.extend(lists::window_parts(&self.window));
        parts
    }
}

const STATES: [PendingState; 4] = [
    PendingState::Pending,
    PendingState::Posted,
    PendingState::Voided,
    PendingState::Expired,
];
const KINDS: [&str; 6] = ["transfer", "pend", "post", "void", "settle", "reverse"];

/// Reads the query; each parameter at most once and nothing else.
fn asked(query: Option<&str>) -> Result<Asked, Problem> {
    let names = [
        "account",
        "reference",
        "kind",
        "state",
        "from",
        "to",
        "order",
        "limit",
        "cursor",
    ];
    let [
        account,
        reference,
        kind,
        state,
        from,
        to,
        order,
        limit,
        cursor,
    ] = parameters::read(query, names)?;
    let account_id = parameters::account_id("account", account.as_deref())?;
    let reference = reference.as_deref().map(notes::reference).transpose()?;
    let (list, account_id) = list_of(account_id, reference)?;
    let kind = kind.as_deref().map(|kind| {
        let known = KINDS.into_iter().find(|known| *known == kind);
        let detail = "kind is transfer, pend, post, void, settle or reverse";
        known.ok_or_else(|| errors::query_invalid(detail))
    });
    let state = state.as_deref().map(|state| {
        let known = STATES.into_iter();
        let mut known = known.filter(|known| known.as_str() == state);
        let detail = "state is of `pend`s: pending, posted, voided or expired";
        known.next().ok_or_else(|| errors::query_invalid(detail))
    });
    let mut asked = Asked {
        list,
        filter: Filter {
            account_id,
            kind: kind.transpose()?,
            state: state.transpose()?,
        },
        window: statement::window(from.as_deref(), to.as_deref(), order.as_deref())?,
        limit: parameters::limit(limit.as_deref(), LIMIT_DEFAULT, LIST_PAGE_MAX)?,
        after: None,
    };
    if let Some(cursor) = cursor {
        let after = lists::decode(CURSOR, &cursor, &asked.parts());
        asked.after = Some(after.ok_or_else(errors::cursor_invalid)?);
    }
    Ok(asked)
}

/// The list, and whose transfers are wanted where that is one of a reference.
fn list_of(
    account_id: Option<AccountId>,
    reference: Option<Reference>,
) -> Result<(TransferList, Option<AccountId>), Problem> {
    match (reference, account_id) {
        (Some(reference), account_id) => Ok((TransferList::With(reference), account_id)),
        (None, Some(account_id)) => Ok((TransferList::Of(account_id), None)),
        (None, None) => Err(errors::query_invalid(
            "give account, reference or both: everything that was decided is at /v1/events, in order",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly() {
        for (text, expected) in [
            ("account=users:42", Ok(50)),
            ("account=world:BRL&limit=1000", Ok(1000)),
            ("reference=order%201017&kind=pend&state=voided", Ok(50)),
            (
                "account=a&reference=b&order=asc&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&limit=1",
                Ok(1),
            ),
            ("", Err("query_invalid")),
            ("kind=pend", Err("query_invalid")),
            ("account=a&account=a", Err("query_invalid")),
            ("account=a&kind=expire", Err("query_invalid")),
            ("account=a&state=open", Err("query_invalid")),
            ("account=a&order=up", Err("query_invalid")),
            ("account=a&page=2", Err("query_invalid")),
            ("account=", Err("account_id_invalid")),
            ("account=a%20b", Err("account_id_invalid")),
            ("reference=", Err("reference_invalid")),
            ("reference=%00", Err("reference_invalid")),
            ("account=a&limit=0", Err("limit_invalid")),
            ("account=a&limit=1001", Err("limit_invalid")),
            ("account=a&from=2026-01-01", Err("time_invalid")),
            (
                "account=a&from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
                Err("query_invalid"),
            ),
            ("account=a&cursor=01", Err("cursor_invalid")),
        ] {
            let limit = asked(Some(text)).map(|asked| asked.limit);
            let limit = limit.map_err(|problem| problem.code.as_str());
            assert_eq!(limit, expected, "{text}");
        }
    }

    /// Forms and most libraries write a space as a plus sign; in a time it is that of the offset.
    #[test]
    fn a_plus_sign_is_a_space_but_in_times() {
        let text = "reference=order+1017+%2B&from=1970-01-01T01:00:00+01:00";
        let asked = asked(Some(text)).unwrap();
        let reference = Reference::new("order 1017 +").unwrap();
        assert_eq!(asked.list, TransferList::With(reference));
        assert_eq!(asked.window.from, Some(ledger::Timestamp::from_nanos(0)));
    }

    /// All of them were UUIDs once, and their letters did not matter.
    #[test]
    fn a_uuid_is_one_reference_however_it_is_written() {
        let list = |text: &str| asked(Some(&format!("reference={text}"))).unwrap().list;
        let (small, large) = (
            "00000000-0000-4000-8000-00000000000a",
            "00000000-0000-4000-8000-00000000000A",
        );
        assert_eq!(list(small), list(large));
    }

    #[test]
    fn a_cursor_goes_on_with_its_own_query_alone() {
        let place = ListPlace {
            at: ledger::Timestamp::from_nanos(7),
            id: 1 << 99,
        };
        let queries = [
            "account=a",
            "account=b",
            "reference=a",
            "account=a&reference=a",
            "account=a&kind=pend",
            "account=a&state=pending",
            "account=a&order=asc",
            "account=a&from=2026-01-01T00:00:00Z",
            "account=a&to=2026-01-01T00:00:00Z",
        ];
        for of in queries {
            let given = asked(Some(of)).unwrap();
            let cursor = lists::encode(CURSOR, place, &given.parts());
            for with in queries {
                match asked(Some(&format!("{with}&limit=7&cursor={cursor}"))) {
                    Ok(asked) => assert_eq!((asked.after, of), (Some(place), with)),
                    Err(problem) => {
                        assert_eq!(problem.code.as_str(), "cursor_invalid");
                        assert_ne!(of, with);
                    }
                }
            }
        }
    }
}
