//! All reads compared: statements paged in every way, balances at a time, ids, payments, summaries.

use std::collections::{HashMap, HashSet};

use ledger::{
    AccountId, Answer, BatchId, Currency, DuePlace, DueQuery, Engine, Entry, Event, Millis,
    Payment, PaymentId, STATEMENT_PAGE_MAX, State, Statement, StatementQuery, Timestamp,
    TransferId, Unavailable, UsedTransfer,
};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::audit::unavailable;
use super::compare::Stamped;
use super::run::{Run, difference};

/// How many accounts' statements are read.
const ACCOUNTS_SAMPLED: usize = 16;
/// How many pages of one size are walked.
const PAGES_MAX: usize = 8;
/// How many accounts lend moments to the sums of the past.
const MOMENTS_SAMPLED: usize = 3;
/// How many ids are looked up.
const IDS_SAMPLED: usize = 60;

/// The same moment on either clock.
#[derive(Clone, Copy)]
struct Moment {
    at: Timestamp,
    engines_at: Timestamp,
}

impl Run<'_> {
    /// Compares all reads.
    pub(super) async fn compare_reads(&mut self) -> Result<(), String> {
        let accounts = self.generator.accounts();
        let sample: Vec<_> = accounts
            .choose_multiple(&mut self.rng, ACCOUNTS_SAMPLED)
            .collect();
        for id in sample {
            let id = id.clone();
            self.compare_statements(&id).await?;
            // What an unlimited account was comes from its list.
            if self.has_lists || !id.is_reserved() {
                self.compare_balances(&id).await?;
            }
        }
        if self.has_lists {
            self.check_balances_of_the_past().await?;
            self.compare_account_list().await?;
            self.compare_lists().await?;
        }
        if self.reads_batches {
            self.compare_batches().await?;
        }
        self.compare_transfers().await?;
        if self.generator.has_payments() {
            self.compare_payments().await?;
            self.compare_summaries().await?;
        }
        Ok(())
    }

    /// Asks both engines, and gives what both answered.
    pub(super) async fn ask<T: Stamped + Clone + PartialEq + std::fmt::Debug>(
        &mut self,
        what: impl Fn() -> String,
        read: impl for<'e> Fn(&'e dyn Engine) -> Answer<'e, T>,
    ) -> Result<T, String> {
        let expected = read(&*self.reference).await;
        let got = read(&*self.engine).await;
        self.judge(what, expected, got)
    }

    pub(super) fn judge<T: Stamped + Clone + PartialEq + std::fmt::Debug>(
        &mut self,
        what: impl Fn() -> String,
        expected: Result<T, Unavailable>,
        got: Result<T, Unavailable>,
    ) -> Result<T, String> {
        let expected = expected.map_err(|e| unavailable("read of the reference", e))?;
        let got = got.map_err(|e| unavailable(&what(), e))?;
        if self.times.are_same(&expected, &got) {
            Ok(expected)
        } else {
            Err(format!("{}:\n{}", what(), difference(&expected, &got)))
        }
    }

    async fn statement(
        &mut self,
        id: &AccountId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<Statement>, String> {
        let deadline = self.deadline();
        self.ask(
            || format!("statement of {id}, before {before:?}, limit {limit}"),
            |engine| {
                let account_id = id.clone();
                let query = StatementQuery {
                    account_id,
                    before,
                    limit,
                };
                engine.statement(query, deadline)
            },
        )
        .await
    }

    async fn compare_statements(&mut self, id: &AccountId) -> Result<(), String> {
        let Some(newest) = self.statement(id, None, 0).await? else {
            return Ok(());
        };
        let entry_count = newest.account.entry_count;
        for limit in [1, 2, 3, 7, 50, STATEMENT_PAGE_MAX] {
            let starts = [None, Some(self.rng.random_range(0..=entry_count + 2))];
            for mut before in starts {
                for _ in 0..PAGES_MAX {
                    let statement = self.statement(id, before, limit).await?;
                    before = statement.and_then(|statement| statement.next_before());
                    if before.is_none() {
                        break;
                    }
                }
            }
        }
        self.statement(id, Some(0), 5).await?;
        self.statement(id, Some(u64::MAX), STATEMENT_PAGE_MAX + 1)
            .await?;
        Ok(())
    }

    async fn compare_balances(&mut self, id: &AccountId) -> Result<(), String> {
        let statement = self.statement(id, None, STATEMENT_PAGE_MAX).await?;
        let entries = statement
            .map(|statement| statement.entries)
            .unwrap_or_default();
        let extremes = [Timestamp::default(), Timestamp::from_nanos(u64::MAX)];
        let mut moments = extremes.map(|at| Moment { at, engines_at: at }).to_vec();
        for _ in 0..8 {
            moments.extend(self.moments_at(&entries));
        }
        for moment in moments {
            self.balance_at(id, moment).await?;
        }
        Ok(())
    }

    /// The moment of an entry, and the one right before it on either engine's own clock. What the
    /// reference wrote right before an entry may be another event, which over a database need not
    /// come before this entry: so its moment is never looked up.
    fn moments_at(&mut self, entries: &[Entry]) -> Vec<Moment> {
        let Some(Entry { timestamp, .. }) = entries.choose(&mut self.rng) else {
            return Vec::new();
        };
        let (at, engines_at) = (*timestamp, self.engines_moment(*timestamp));
        let before = |at: Timestamp| Timestamp::from_nanos(at.as_nanos() - 1);
        let right_before = Moment {
            at: before(at),
            engines_at: before(engines_at),
        };
        vec![Moment { at, engines_at }, right_before]
    }

    async fn balance_at(&mut self, id: &AccountId, moment: Moment) -> Result<(), String> {
        let deadline = self.deadline();
        let Moment { at, engines_at } = moment;
        let expected = self.reference.balance_at(id.clone(), at, deadline).await;
        let got = self
            .engine
            .balance_at(id.clone(), engines_at, deadline)
            .await;
        if expected == got {
            Ok(())
        } else {
            let difference = difference(&expected, &got);
            Err(format!("balance of {id} at {engines_at}:\n{difference}"))
        }
    }

    /// At every moment, by the engine's own clock, the balances of all accounts of a currency sum to zero.
    async fn check_balances_of_the_past(&mut self) -> Result<(), String> {
        let deadline = self.deadline();
        let safe_time = self.engine.safe_time(deadline).await;
        let safe_time = safe_time.map_err(|e| unavailable("the safe time", e))?;
        let accounts: Vec<(AccountId, Currency)> = self.reference.read(|books| {
            let accounts = books.accounts();
            accounts
                .map(|(id, account)| (id.clone(), account.currency))
                .collect()
        });
        let mut moments = vec![safe_time];
        for (id, _) in accounts.choose_multiple(&mut self.rng, MOMENTS_SAMPLED) {
            let statement = self.statement(id, None, STATEMENT_PAGE_MAX).await?;
            let entries = statement
                .map(|statement| statement.entries)
                .unwrap_or_default();
            let moments_of = self.moments_at(&entries);
            moments.extend(moments_of.iter().map(|moment| moment.engines_at));
        }
        for at in moments {
            let mut sums: HashMap<Currency, i64> = HashMap::new();
            for (id, currency) in &accounts {
                let deadline = self.deadline();
                let balance = self.engine.balance_at(id.clone(), at, deadline).await;
                let balance = balance.map_err(|e| unavailable("a balance of the past", e))?;
                let balance = balance.ok_or_else(|| format!("{id} has no balance at {at}"))?;
                let sum = sums.entry(*currency).or_default();
                *sum = sum.wrapping_add(balance.balance);
            }
            if let Some((currency, sum)) = sums.iter().find(|(_, sum)| **sum != 0) {
                return Err(format!("the balances in {currency} at {at} sum to {sum}"));
            }
        }
        Ok(())
    }

    /// A moment that an answer had, by the engine's clock: to compare the answer taught it.
    pub(super) fn engines_moment(&self, at: Timestamp) -> Timestamp {
        let known = self.times.known(at);
        known.expect("the answer that has this moment was compared")
    }

    async fn compare_transfers(&mut self) -> Result<(), String> {
        let ids: HashSet<TransferId> = self.reference.read(|books| {
            let of_event = |event: &Event| match event {
                Event::Refused { command, .. } => match command.used_id() {
                    Some(ledger::UsedId::Transfer(id)) => Some(id),
                    Some(ledger::UsedId::Payment(id)) => Some(TransferId::of_payment(id)),
                    None => None,
                },
                Event::PaymentAccepted(payment) => Some(TransferId::of_payment(payment.id)),
                event => event.transfer().map(|transfer| transfer.id),
            };
            books.events().iter().filter_map(of_event).collect()
        });
        let mut sample = self.sample(ids, TransferId::from_u128);
        sample.extend(self.in_parts());
        for id in sample {
            let deadline = self.deadline();
            self.ask(
                || format!("transfer {id}"),
                |engine| engine.transfer(id, deadline),
            )
            .await?;
            self.ask(
                || format!("the end of pending transfer {id}"),
                |engine| engine.pending_end(id, deadline),
            )
            .await?;
        }
        Ok(())
    }

    /// Pending transfers of which parts were posted and the rest is still reserved: few at any time.
    fn in_parts(&self) -> Vec<TransferId> {
        self.reference.read(|books| {
            let has_parts = |id: &TransferId| match books.state().transfer(*id) {
                Some(UsedTransfer::Created(pending, standing)) => {
                    standing.posted_of(pending.amount).is_some()
                }
                Some(UsedTransfer::Refused(..) | UsedTransfer::Payment(_)) | None => false,
            };
            let parts = books.events().iter().rev().filter_map(Event::transfer);
            let pendings = parts.filter_map(|part| Some(part.part()?.0));
            let pendings: HashSet<_> = pendings.take(IDS_SAMPLED).collect();
            pendings.into_iter().filter(has_parts).collect()
        })
    }

    async fn compare_batches(&mut self) -> Result<(), String> {
        let ids: HashSet<BatchId> = self.reference.read(|books| {
            let of_event = |event: &Event| match event {
                Event::Batch(batch) => Some(batch.id),
                _ => None,
            };
            books.events().iter().filter_map(of_event).collect()
        });
        for id in self.sample(ids, BatchId::from_u128) {
            let deadline = self.deadline();
            self.ask(
                || format!("atomic batch {id}"),
                |engine| engine.batch(id, deadline),
            )
            .await?;
        }
        Ok(())
    }

    async fn compare_payments(&mut self) -> Result<(), String> {
        let ids: HashSet<PaymentId> = self.reference.read(|books| {
            let of_event = |event: &Event| match event {
                Event::Refused { command, .. } => match command.used_id() {
                    Some(ledger::UsedId::Payment(id)) => Some(id),
                    _ => None,
                },
                event => event.payment().map(|payment| payment.id),
            };
            books.events().iter().filter_map(of_event).collect()
        });
        for id in self.sample(ids, PaymentId::from_u128) {
            let deadline = self.deadline();
            self.ask(
                || format!("payment {id}"),
                |engine| engine.payment(id, deadline),
            )
            .await?;
            self.ask(
                || format!("resolutions of payment {id}"),
                |engine| engine.resolutions(id, deadline),
            )
            .await?;
        }
        let deadline = self.deadline();
        self.ask(
            || "the newest payment's acceptance".to_owned(),
            |engine| engine.newest_payment_accepted_at(deadline),
        )
        .await?;
        // The whole list first: it tells the moments of the engine's own clock.
        let due = self.payments_due(None, 10_000).await?;
        for limit in [0, 1, 3] {
            self.payments_due(None, limit).await?;
        }
        for payment in due.choose_multiple(&mut self.rng, 3) {
            for limit in [1, 10_000] {
                self.payments_due(Some(payment.place()), limit).await?;
            }
        }
        Ok(())
    }

    async fn payments_due(
        &mut self,
        after: Option<DuePlace>,
        limit: usize,
    ) -> Result<Vec<Payment>, String> {
        let query = DueQuery { after, limit };
        let engines_query = DueQuery {
            after: after.map(|place| DuePlace {
                accepted_at: self.engines_moment(place.accepted_at),
                ..place
            }),
            limit,
        };
        let deadline = self.deadline();
        let expected = self.reference.payments_due(query, deadline).await;
        let got = self.engine.payments_due(engines_query, deadline).await;
        self.judge(|| format!("payments due {query:?}"), expected, got)
    }

    async fn compare_summaries(&mut self) -> Result<(), String> {
        self.summary(None, None).await?;
        for _ in 0..20 {
            let (from, to) = (self.generator.requested_at(), self.generator.requested_at());
            self.summary(Some(from), Some(to)).await?;
            self.summary(Some(from), None).await?;
            self.summary(None, Some(to)).await?;
        }
        self.summary(Some(Millis(0)), Some(Millis(u64::MAX))).await
    }

    async fn summary(&mut self, from: Option<Millis>, to: Option<Millis>) -> Result<(), String> {
        let deadline = self.deadline();
        let what = || format!("payments summary from {from:?} to {to:?}");
        self.ask(what, |engine| engine.payments_summary(from, to, deadline))
            .await
            .map(drop)
    }

    /// Some of the ids, one of them unknown, the same for the same seed.
    fn sample<T: Copy + Ord>(&mut self, ids: HashSet<T>, unknown: impl Fn(u128) -> T) -> Vec<T> {
        let mut ids: Vec<T> = ids.into_iter().collect();
        ids.sort_unstable();
        let mut sample: Vec<T> = ids
            .choose_multiple(&mut self.rng, IDS_SAMPLED)
            .copied()
            .collect();
        sample.push(unknown(self.rng.random()));
        sample
    }
}
