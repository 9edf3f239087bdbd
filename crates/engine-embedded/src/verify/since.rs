//! Checks what a journal has recorded since a head that was verified before.
//!
//! It begins with a snapshot instead of the first record, so it relies upon that snapshot. Checked are the
//! chain from there on and that it goes through the head, that each record is one and later than
//! the one before it, that later snapshots and tables are what the records lead to, and at the end that no
//! limit is passed and that the balances of each currency sum to zero. Not checked is what needs records from
//! before: that no id is used twice, and what single records say of transfers, payments and entries.

use std::collections::BTreeMap;
use std::convert::Infallible;

use journal::{Hash, Head, OpenError, SegmentStart, Storage, Visited, scan_from};
use ledger::{Currency, Limit, Timestamp};

use super::auditor::{available_exact, may_follow};
use super::beside::Beside;
use super::{Expected, Search};
use crate::books::Books;
use crate::record::decode;

/// The result of [`verify_since`].
#[derive(Debug, Clone)]
pub struct VerifiedSince {
    /// Where it began: the snapshot before this segment was relied upon.
    pub from: SegmentStart,
    /// Whether the chain goes through the head that was given.
    pub expected: Expected,
    /// The end of the chain.
    pub head: Head,
    /// How many records were read.
    pub records_count: u64,
    /// How many accounts there are.
    pub accounts_count: u64,
    /// What all balances of a currency sum to: always 0. Modulo 2^64, as the totals of the system's
    /// accounts are.
    pub balances: BTreeMap<Currency, i64>,
    /// The newest record's time.
    pub newest: Timestamp,
    /// How many later snapshots are what the records lead to.
    pub snapshots_count: u64,
    /// How many tables of later segments have the ids that their records use, and no others.
    pub tables_count: u64,
    /// What is wrong, with the address of the record where there is one.
    pub findings: Vec<String>,
}

impl VerifiedSince {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.expected == Expected::Met
    }
}

/// Checks what was recorded since the frame of this sequence and hash, from the newest snapshot at or
/// before it; `None` if there is no such snapshot. Takes no lock and changes nothing.
///
/// # Errors
///
/// When a file cannot be read, or the chain is damaged. Broken rules are findings.
pub fn verify_since<S: Storage>(
    storage: &S,
    since: (u64, Hash),
) -> Result<Option<VerifiedSince>, OpenError<Infallible>> {
    let opened = Beside::since(storage, since.0).map_err(|source| OpenError::Io {
        doing: "read what is kept beside the journal in",
        file: storage.place(),
        source,
    })?;
    let Some((mut beside, from)) = opened else {
        return Ok(None);
    };
    let mut search = Search::new(since, from.head);
    let mut findings = Vec::new();
    let mut newest = beside.newest();
    let mut records_count = 0;
    let mut can_replay = true;
    let scanned = scan_from(storage, from, |visited: Visited<'_>| {
        records_count += 1;
        let at = visited.address;
        match decode(visited.payload) {
            Ok(recorded) => {
                let time = recorded.event.timestamp();
                if !may_follow(&recorded.event, newest) {
                    findings.push(format!(
                        "record at {at}: its timestamp is much earlier than the newest one before"
                    ));
                }
                newest = newest.max(time);
            }
            Err(error) => {
                findings.push(format!("record at {at}: {error}"));
                can_replay = false;
            }
        }
        if visited.last_in_frame {
            search.at(visited.frame.sequence, visited.frame.hash);
        }
        if can_replay {
            beside.record(visited);
        }
        Ok(())
    })?;
    let last = scanned.segments.saturating_sub(1);
    if can_replay {
        beside.reach(last, last * scanned.segment_bytes);
    }
    let balances = check_books(beside.books(), &mut findings);
    let found = beside.findings.iter();
    findings.extend(found.map(|(address, what)| format!("record at {address}: {what}")));
    Ok(Some(VerifiedSince {
        from,
        expected: search.found,
        head: scanned.head,
        records_count,
        accounts_count: beside.books().accounts.len() as u64,
        balances,
        newest,
        snapshots_count: beside.snapshots_count,
        tables_count: beside.tables_count,
        findings,
    }))
}

/// Checks the limits and the sums; returns the sums.
fn check_books(books: &Books, findings: &mut Vec<String>) -> BTreeMap<Currency, i64> {
    let mut balances: BTreeMap<Currency, i64> = BTreeMap::new();
    for (id, kept) in books.accounts.iter() {
        let account = &kept.account;
        let balance = balances.entry(account.currency).or_default();
        *balance = balance.wrapping_add(account.balance());
        if matches!(account.limit, Limit::Credit(_)) && available_exact(account) < 0 {
            findings.push(format!("account {id} has passed its limit"));
        }
    }
    for (currency, balance) in &balances {
        if *balance != 0 {
            findings.push(format!(
                "the balances of {currency} sum to {balance}, not to 0"
            ));
        }
    }
    balances
}
