//! The balances of all accounts at one moment: the trial balance.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::http::StatusCode;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::{
    ACCOUNTS_PAGE_MAX, Account, AccountId, AccountsQuery, BalanceAt, Currency, Timestamp,
};
use serde::Serialize;

use super::{parameters, token};
use crate::call::{Answered, Call};
use crate::errors;
use crate::json;
use crate::problem::Problem;
use crate::rfc3339::{self, Nanos};

const LIMIT_DEFAULT: usize = 100;
const CURSOR: &str = "lastro 2026 balances cursor";
/// The most bytes of a balance: its account's id, names and numbers.
const BALANCE_BYTES_MAX: usize = 256;
/// How many balances of a page are asked for at once.
const ASKED_AT_ONCE: usize = 16;
/// Of how many currencies a cursor carries sums, at most: with more it would be too long for a query.
const CURRENCIES_SUMMED_MAX: usize = 20;
/// What stands in a cursor in the place of sums that are too many.
const TOO_MANY: [u8; 1] = [0xff];
/// More than the balances of a walk can sum to: each has 63 bits.
const SUM_END: u128 = 1 << 126;
/// The bytes of a currency's sums in a cursor.
const SUMS_BYTES: usize = 3 + 16 + 16;

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BalancesPageView {
    /// The moment that every balance is of, on all pages of the walk.
    #[schema(value_type = String, format = DateTime)]
    at: Nanos,
    /// Accounts that had been opened by then, in the byte order of their ids.
    #[schema(max_items = 1000)]
    balances: Vec<AccountBalanceView>,
    /// On the last page of a walk: the sums over all of its pages, by currency. Absent on the other pages, and where
    /// the walk has met more than 20 currencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<Vec<CurrencyTotalView>>,
    /// The `cursor` of the next page; `null` on the last page.
    next_cursor: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AccountBalanceView {
    #[schema(example = "users:42")]
    account_id: String,
    #[schema(example = "BRL")]
    currency: Currency3,
    /// In minor units. That of one of the system's accounts has 64 bits and may pass 2^53.
    #[schema(example = 5000)]
    balance: i64,
    /// The number of the newest entry at that moment; 0 before the first. Absent for the system's accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry_number: Option<u64>,
}

/// What the balances of a currency sum to. In minor units; sums may pass 2^53.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CurrencyTotalView {
    #[schema(example = "BRL")]
    currency: Currency3,
    /// The sum of the balances below zero, without their sign.
    #[schema(value_type = i64, example = 5000)]
    debit_balances: i128,
    /// The sum of the balances above zero.
    #[schema(value_type = i64, example = 5000)]
    credit_balances: i128,
    /// `credit_balances - debit_balances`: 0 if all accounts of the currency were asked for.
    #[schema(value_type = i64, example = 0)]
    balance: i128,
}

/// A currency's code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub(crate) struct Currency3(#[serde(serialize_with = "super::views::printed")] Currency);

/// Returns the balances of all accounts at one moment, in pages: a trial balance.
///
/// Without `at` the moment is the newest at which everything is decided: what was answered before is in it; over
/// PostgreSQL it is the moment at which the oldest write began that is still under way, or the last microsecond. `at` is a time of RFC 3339 with its offset, or a date: then it is the end
/// of that day in the time zone `tz`. A later moment than the newest is the newest. All pages of a walk are of the moment of
/// the first, whatever is written meanwhile, and the last page has the sums: over all accounts of a currency the
/// balances sum to zero. A page may have fewer balances than its `limit`, or none, and still a `next_cursor`. A key
/// that is bound to accounts is shown only those that it may use, and none of the system's.
///
/// A user's balance is found by an index. That of one of the system's accounts is summed from its transfers since
/// then: some hundred thousand in the time of a request, over PostgreSQL at most 50,000. With more since
/// then the page is answered `timeout`: ask with a `prefix`, or make an export.
#[utoipa::path(
    get, path = "/v1/balances", tag = "accounts",
    params(
        ("at" = Option<String>, Query, description = "A time of RFC 3339 with its offset, or a date",
            example = "2026-01-31"),
        ("tz" = Option<String>, Query, description = "The time zone of a date, by its name in the tz database; `UTC` \
            by default", example = "America/Sao_Paulo"),
        ("prefix" = Option<String>, Query, description = "Only accounts whose ids begin so", example = "users:"),
        ("currency" = Option<String>, Query, description = "Only accounts of this currency", example = "BRL"),
        ("limit" = Option<u16>, Query, description = "1 to 1000 balances a page; 100 by default"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same \
            `at`, `tz`, `prefix` and `currency`"),
    ),
    responses(
        (status = 200, description = "A page", body = BalancesPageView),
        (status = 400, description = "`account_id_invalid`, `currency_invalid`, `cursor_invalid`, `limit_invalid`, \
            `query_invalid`, `time_invalid`, `time_zone_invalid`"),
        (status = 501, description = "`not_supported`: the accounts are kept in Redis, which has no order of them"),
    )
)]
pub(crate) async fn balances(call: Call, request: Request) -> Answered {
    let query = query(request.uri().query())?;
    let place = call.place((query.accounts.limit + 1) * BALANCE_BYTES_MAX)?;
    let Walk { at, mut totals } = match query.walk {
        Some(walk) => walk,
        None => Walk {
            at: first_moment(&call, query.moment).await?,
            totals: Totals::default(),
        },
    };
    let page = call.accounts(query.accounts.clone()).await?;
    let hides_system = call.has_limited_accounts();
    let is_shown = |(id, account): &(AccountId, Account)| {
        account.timestamp <= at && !(hides_system && id.is_reserved())
    };
    let accounts = page.accounts.into_iter().filter(is_shown);
    // A page shorter than it may be is put together by few questions at once: each is a read of its own.
    let balances: Vec<AccountBalanceView> = stream::iter(accounts)
        .map(|(id, account)| balance_then(&call, id, account, at))
        .buffered(ASKED_AT_ONCE)
        .try_collect()
        .await?;
    for balance in &balances {
        totals.add(balance.currency, balance.balance);
    }
    let view = BalancesPageView {
        at: Nanos(at),
        balances,
        totals: page.next_after.is_none().then(|| totals.views()).flatten(),
        next_cursor: page
            .next_after
            .map(|after| encode(&query.asked, at, &after, &totals)),
    };
    Ok(json::respond_in(place, StatusCode::OK, &view))
}

/// The moment of a walk that begins.
async fn first_moment(call: &Call, asked: Option<Timestamp>) -> Result<Timestamp, Problem> {
    let newest = call.safe_time().await?;
    Ok(asked.map_or(newest, |asked| asked.min(newest)))
}

async fn balance_then(
    call: &Call,
    id: AccountId,
    account: Account,
    at: Timestamp,
) -> Result<AccountBalanceView, Problem> {
    let Some(BalanceAt {
        balance,
        entry_number,
    }) = call.balance_at(id.clone(), at).await?
    else {
        return Err(errors::account_not_found(id.as_str()));
    };
    Ok(AccountBalanceView {
        entry_number: (!id.is_reserved()).then_some(entry_number),
        account_id: id.to_string(),
        currency: Currency3(account.currency),
        balance,
    })
}

/// A walk that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Walk {
    at: Timestamp,
    totals: Totals,
}

/// By currency the sum of the balances below zero, without their sign, and of those above; `None` of more currencies than a
/// cursor carries.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Totals(Option<BTreeMap<Currency3, (u128, u128)>>);

impl Default for Totals {
    fn default() -> Self {
        Self(Some(BTreeMap::new()))
    }
}

impl std::fmt::Debug for Currency3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Totals {
    fn add(&mut self, currency: Currency3, balance: i64) {
        let Some(sums) = &mut self.0 else { return };
        let (debits, credits) = sums.entry(currency).or_default();
        let amount = u128::from(balance.unsigned_abs());
        if balance < 0 {
            *debits += amount;
        } else {
            *credits += amount;
        }
        if sums.len() > CURRENCIES_SUMMED_MAX {
            self.0 = None;
        }
    }

    fn views(&self) -> Option<Vec<CurrencyTotalView>> {
        // Sums of less than 2^64 balances of 63 bits each, and of what a cursor may carry.
        let sum = |sum: u128| i128::try_from(sum).expect("below 2^127");
        let views = self
            .0
            .as_ref()?
            .iter()
            .map(|(currency, (debits, credits))| {
                let (debit_balances, credit_balances) = (sum(*debits), sum(*credits));
                CurrencyTotalView {
                    currency: *currency,
                    debit_balances,
                    credit_balances,
                    balance: credit_balances - debit_balances,
                }
            });
        Some(views.collect())
    }

    /// As a cursor carries them.
    fn encode(&self, to: &mut Vec<u8>) {
        let Some(sums) = &self.0 else {
            to.extend(TOO_MANY);
            return;
        };
        for (currency, (debits, credits)) in sums {
            to.extend_from_slice(currency.0.as_str().as_bytes());
            to.extend_from_slice(&debits.to_be_bytes());
            to.extend_from_slice(&credits.to_be_bytes());
        }
    }

    /// `None` of bytes that no walk makes: a cursor may be forged.
    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes == TOO_MANY {
            return Some(Self(None));
        }
        let each = bytes.chunks_exact(SUMS_BYTES);
        if !each.remainder().is_empty() || each.len() > CURRENCIES_SUMMED_MAX {
            return None;
        }
        let mut sums = BTreeMap::new();
        for bytes in each {
            let currency = Currency::new(std::str::from_utf8(&bytes[..3]).ok()?).ok()?;
            let number = |at: usize| {
                let number = u128::from_be_bytes(bytes[at..at + 16].try_into().ok()?);
                (number < SUM_END).then_some(number)
            };
            let both = (number(3)?, number(3 + 16)?);
            if sums.insert(Currency3(currency), both).is_some() {
                return None;
            }
        }
        Some(Self(Some(sums)))
    }
}

/// What is asked for.
#[derive(Debug)]
struct Query {
    accounts: AccountsQuery,
    /// The moment that a walk is begun with; the newest when `None`.
    moment: Option<Timestamp>,
    /// Of the page before, where this is not the first.
    walk: Option<Walk>,
    /// What a cursor is bound to.
    asked: [String; 4],
}

/// Reads `at=&tz=&prefix=&currency=&limit=&cursor=`, each at most once and nothing else.
fn query(query: Option<&str>) -> Result<Query, Problem> {
    let names = ["at", "tz", "prefix", "currency", "limit", "cursor"];
    let [at, tz, prefix, currency, limit, cursor] = parameters::read(query, names)?;
    let moment = moment(at.as_deref(), tz.as_deref())?;
    let code = currency.as_deref().map(Currency::new).transpose();
    let mut accounts = AccountsQuery {
        after: None,
        prefix: parameters::account_id("prefix", prefix.as_deref())?,
        currency: code.map_err(|_| errors::currency_invalid())?,
        closed: None,
        limit: parameters::limit(limit.as_deref(), LIMIT_DEFAULT, ACCOUNTS_PAGE_MAX)?,
    };
    let asked = [at, tz, prefix, currency].map(|text| match text {
        Some(text) => format!("={text}"),
        None => String::new(),
    });
    let mut walk = None;
    if let Some(cursor) = cursor {
        let decoded = decode(&asked, &cursor).ok_or_else(errors::cursor_invalid)?;
        accounts.after = Some(decoded.0);
        walk = Some(decoded.1);
    }
    Ok(Query {
        accounts,
        moment,
        walk,
        asked,
    })
}

/// The moment that `at` and `tz` name: a time, or the end of a day in a time zone.
///
/// # Errors
///
/// How it has to be written.
pub fn moment_at(at: &str, tz: Option<&str>) -> Result<Timestamp, String> {
    match moment(Some(at), tz) {
        Ok(Some(moment)) => Ok(moment),
        Ok(None) => Err("there is no such moment".to_owned()),
        Err(problem) => Err(problem.detail.into_owned()),
    }
}

/// The moment that is named: a time, or the end of a day somewhere.
fn moment(at: Option<&str>, tz: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let zone = match tz {
        None => TimeZone::UTC,
        Some(name) => zone(name).ok_or_else(errors::time_zone_invalid)?,
    };
    let Some(at) = at else {
        return match tz {
            None => Ok(None),
            Some(_) => Err(errors::query_invalid(
                "tz is the time zone of a date: give at, too",
            )),
        };
    };
    if let Some(time) = rfc3339::parse(at) {
        return match tz {
            None => Ok(Some(time)),
            Some(_) => Err(errors::query_invalid(
                "tz is the time zone of a date: a time has its own offset",
            )),
        };
    }
    let invalid = || errors::time_or_date_invalid("at");
    let date: Date = at.parse().map_err(|_| invalid())?;
    // Jiff also reads other forms of a date.
    if date.to_string() != at {
        return Err(invalid());
    }
    let Ok(behind) = date.checked_add(1.day()) else {
        return Ok(Some(Timestamp::from_nanos(u64::MAX)));
    };
    // Where a day has no midnight, as when summer time begins then, it begins with its first moment.
    let begin = behind.to_zoned(zone).map_err(|_| invalid())?;
    let end = begin.timestamp().as_nanosecond() - 1;
    let end = u64::try_from(end.clamp(0, i128::from(u64::MAX)));
    Ok(end.ok().map(Timestamp::from_nanos))
}

/// A time zone by its name; not by an offset or a rule of POSIX.
fn zone(name: &str) -> Option<TimeZone> {
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
    let zone = TimeZone::get(name).ok()?;
    (is_name && !name.is_empty()).then_some(zone)
}

fn parts(asked: &[String; 4]) -> [&[u8]; 4] {
    asked.each_ref().map(String::as_bytes)
}

fn encode(asked: &[String; 4], at: Timestamp, after: &AccountId, totals: &Totals) -> String {
    let mut bytes = at.as_nanos().to_be_bytes().to_vec();
    let after = after.as_str().as_bytes();
    // An id has at most 64 characters.
    bytes.push(u8::try_from(after.len()).expect("an id is short"));
    bytes.extend_from_slice(after);
    totals.encode(&mut bytes);
    token::seal(CURSOR, &bytes, &parts(asked))
}

fn decode(asked: &[String; 4], cursor: &str) -> Option<(AccountId, Walk)> {
    let bytes = token::unseal(CURSOR, cursor, &parts(asked))?;
    let (at, rest) = bytes.split_at_checked(8)?;
    let (length, rest) = rest.split_first()?;
    let (after, totals) = rest.split_at_checked(usize::from(*length))?;
    let walk = Walk {
        at: Timestamp::from_nanos(u64::from_be_bytes(at.try_into().ok()?)),
        totals: Totals::decode(totals)?,
    };
    Some((AccountId::new(std::str::from_utf8(after).ok()?).ok()?, walk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> u64 {
        rfc3339::parse(text).unwrap().as_nanos()
    }

    #[test]
    fn a_moment_is_a_time_or_the_end_of_a_day() {
        let sao_paulo = Some("America/Sao_Paulo");
        for (at, tz, expected) in [
            ("2026-01-31T23:59:59Z", None, "2026-01-31T23:59:59Z"),
            ("2026-01-31", None, "2026-01-31T23:59:59.999999999Z"),
            ("2026-01-31", Some("UTC"), "2026-01-31T23:59:59.999999999Z"),
            ("2026-01-31", sao_paulo, "2026-02-01T02:59:59.999999999Z"),
            // Summer time began at midnight: the day after has none.
            ("2018-11-03", sao_paulo, "2018-11-04T02:59:59.999999999Z"),
            // It ended at midnight: the last hour of the day came twice.
            ("2018-02-17", sao_paulo, "2018-02-18T02:59:59.999999999Z"),
            // The day that Samoa left out.
            (
                "2011-12-29",
                Some("Pacific/Apia"),
                "2011-12-30T09:59:59.999999999Z",
            ),
            ("1960-01-01", None, "1970-01-01T00:00:00Z"),
        ] {
            let read = moment(Some(at), tz).map_err(|problem| problem.code.as_str());
            let read = read.map(|at| at.map(Timestamp::as_nanos));
            assert_eq!(read, Ok(Some(nanos(expected))), "{at} {tz:?}");
        }
        let end = moment(Some("9999-12-31"), sao_paulo).unwrap();
        assert_eq!(end, Some(Timestamp::from_nanos(u64::MAX)));
        assert_eq!(moment(None, None).unwrap(), None);
    }

    #[test]
    fn queries_are_read_strictly() {
        for (text, code) in [
            ("at=", "time_invalid"),
            ("at=now", "time_invalid"),
            ("at=20260131", "time_invalid"),
            ("at=2026-02-30", "time_invalid"),
            ("at=2026-01-31T00:00:00", "time_invalid"),
            ("at=2026-01-31&tz=Sao_Paulo", "time_zone_invalid"),
            ("at=2026-01-31&tz=", "time_zone_invalid"),
            (
                "at=2026-01-31&tz=EST5EDT,M3.2.0,M11.1.0",
                "time_zone_invalid",
            ),
            ("tz=UTC", "query_invalid"),
            ("at=2026-01-31T00:00:00Z&tz=UTC", "query_invalid"),
            ("closed=true", "query_invalid"),
            ("currency=brl", "currency_invalid"),
            ("prefix=", "account_id_invalid"),
            ("limit=1001", "limit_invalid"),
            ("cursor=01", "cursor_invalid"),
        ] {
            let read = query(Some(text)).map(|_| ());
            assert_eq!(read.unwrap_err().code.as_str(), code, "{text}");
        }
        let read = query(Some("at=2026-01-31T02:00:00+02:00")).unwrap();
        assert_eq!(
            read.moment.unwrap().as_nanos(),
            nanos("2026-01-31T00:00:00Z")
        );
    }

    #[test]
    fn a_cursor_carries_the_moment_and_the_sums() {
        let asked = query(Some("prefix=users:&at=2026-01-31")).unwrap().asked;
        let after = AccountId::new("users:42").unwrap();
        let mut totals = Totals::default();
        let currency = |code| Currency3(Currency::new(code).unwrap());
        totals.add(currency("BRL"), i64::MIN);
        totals.add(currency("BRL"), i64::MAX);
        totals.add(currency("BRL"), i64::MAX);
        totals.add(currency("JPY"), -1);
        let at = Timestamp::from_nanos(7);
        let cursor = encode(&asked, at, &after, &totals);
        let walk = Walk {
            at,
            totals: totals.clone(),
        };
        assert_eq!(decode(&asked, &cursor), Some((after, walk)));
        let other = query(Some("prefix=users:")).unwrap().asked;
        assert_eq!(decode(&other, &cursor), None);
        let shown = totals.views().unwrap();
        let shown: Vec<_> = shown.iter().map(|total| total.balance).collect();
        assert_eq!(shown, [(1 << 63) - 2, -1]);
    }

    #[test]
    fn a_walk_over_too_many_currencies_has_no_sums_to_its_end() {
        let mut totals = Totals::default();
        let codes = [
            "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM",
        ];
        let more = [
            "BBD", "BDT", "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN",
        ];
        let most = ["BWP", "BYN", "BZD", "CAD", "CHF", "CLP"];
        for code in codes.into_iter().chain(more).chain(most) {
            let shown = totals.views().is_some();
            assert!(shown == totals.0.is_some());
            totals.add(Currency3(Currency::new(code).unwrap()), 1);
            let mut bytes = Vec::new();
            totals.encode(&mut bytes);
            assert!(bytes.len() <= (CURRENCIES_SUMMED_MAX + 1) * SUMS_BYTES);
            let carried = Totals::decode(&bytes).unwrap();
            assert_eq!(carried.views().is_some(), totals.views().is_some());
        }
        assert!(totals.views().is_none());
    }

    /// The hash of a cursor is no secret: anybody can make one.
    #[test]
    fn a_forged_cursor_has_no_sums_that_no_walk_makes() {
        let sums = |code: &str, debits: u128, credits: u128| {
            let mut bytes = code.as_bytes().to_vec();
            bytes.extend(debits.to_be_bytes());
            bytes.extend(credits.to_be_bytes());
            bytes
        };
        let good = sums("BRL", SUM_END - 1, SUM_END - 1);
        let mut totals = Totals::decode(&good).unwrap();
        totals.add(Currency3(Currency::new("BRL").unwrap()), i64::MIN);
        let shown: Vec<_> = totals
            .views()
            .unwrap()
            .iter()
            .map(|sum| sum.balance)
            .collect();
        assert_eq!(shown, [-(1 << 63)]);
        for bad in [
            sums("BRL", SUM_END, 0),
            sums("BRL", 0, u128::MAX),
            sums("brl", 0, 0),
            [good.clone(), good.clone()].concat(),
            good[1..].to_vec(),
            vec![0],
            (0..=CURRENCIES_SUMMED_MAX)
                .flat_map(|_| good.clone())
                .collect(),
        ] {
            assert_eq!(Totals::decode(&bad), None, "{bad:?}");
        }
    }

    /// A cursor fits into a query beside the longest of everything else.
    #[test]
    fn the_longest_cursor_is_no_longer_than_a_query_may_be() {
        let asked = query(Some(
            "at=2026-01-31&tz=America/Argentina/ComodRivadavia&prefix=users:&currency=BRL",
        ));
        let after = AccountId::new(&"a".repeat(64)).unwrap();
        let mut totals = Totals::default();
        for code in [
            "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
            "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN",
        ] {
            totals.add(Currency3(Currency::new(code).unwrap()), 1);
        }
        assert_eq!(
            totals.0.as_ref().map(BTreeMap::len),
            Some(CURRENCIES_SUMMED_MAX)
        );
        let cursor = encode(
            &asked.unwrap().asked,
            Timestamp::from_nanos(u64::MAX),
            &after,
            &totals,
        );
        let beside = "/v1/balances?at=2026-01-31T23%3A59%3A59.999999999%2B00%3A00&currency=BRL&limit=1000&cursor=&prefix="
            .len()
            + 3 * 64;
        assert!(cursor.len() + beside <= 2_048, "{}", cursor.len());
    }
}
