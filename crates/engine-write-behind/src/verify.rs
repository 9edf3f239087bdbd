//! Whether the two stores tell the same story, and what must always be true of it.
//!
//! The database's accounts, brought forward by the calls they do not show yet and by those that are
//! in the stream only, have to be the accounts in Redis; entries that are in both have to be the
//! same; every persisted id has to be known to Redis, by its record or by a filter. It needs no
//! engine that runs, and a moment without writes where one does.
//!
//! The database's accounts and the calls they do not show yet are read in one transaction, as they
//! were at one moment. Redis is read after it; whatever moved meanwhile is found at the end by the
//! positions of both, and the comparison is made anew. What does not follow is a finding, and is
//! not applied: nothing here stops at a damaged store.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use engine_postgres::{Lease, PostgresOptions, Tables, every_account};
use ledger::{
    Account, AccountId, BatchId, Entry, Event, Limit, Payment, StateMut, TransferId, evolve,
};
use redis::{Cmd, Pipeline, Value};

use crate::account::Kept;
use crate::error::trouble;
use crate::error::{Damaged, WriteBehindOpenError};
use crate::filter::{Hash, Known};
use crate::layout::{
    ACCOUNT_KEYS, ENTRIES_KEPT, META, MetaRecord, STREAM, account_key, batch_key, entries_key,
    filter_key, transfer_key,
};
use crate::link::{Link, bytes};
use crate::options::WriteBehindOptions;
use crate::pace::BOUND;
use crate::positions::{self, Behind, Logged};
use crate::record::{Record, decode_all};

/// How often a moment without writes is tried for.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);
const PAGE: i64 = 1_000;
/// How many findings are told.
const FINDINGS_MAX: usize = 50;

/// What was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedStores {
    /// The ledger's position, as Redis has it.
    pub position: u64,
    /// Up to here the database has it.
    pub persisted: u64,
    /// How many accounts there are.
    pub accounts_count: u64,
    /// How many used ids of transfers and batches are persisted.
    pub ids_count: u64,
    /// The sum of all balances by currency.
    pub balances: BTreeMap<String, i64>,
    /// What is not as it has to be; the first of them.
    pub findings: Vec<String>,
}

/// Compares the stores.
///
/// # Errors
///
/// When one of them does not answer, or writes go on.
pub async fn verify(
    redis_url: &str,
    database_url: &str,
    options: &WriteBehindOptions,
) -> Result<VerifiedStores, WriteBehindOpenError> {
    let database = PostgresOptions {
        migrate: false,
        ..options.database.clone()
    };
    let stores = Stores {
        link: Link::new(redis_url, options.redis_authority.as_deref())?,
        tables: Tables::open(database_url, &database).await?,
    };
    for _ in 0..TRIES {
        let before = stores.moment().await?;
        let verified = Comparison::new(&stores, &before).run().await?;
        if stores.moment().await? == before {
            return Ok(verified);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(WriteBehindOpenError::Unsafe(
        "writes went on while the stores were compared: try again when there are none".to_owned(),
    ))
}

struct Stores {
    link: Link,
    tables: Tables,
}

/// Where both are.
#[derive(PartialEq, Eq)]
struct Moment {
    meta: Option<Vec<u8>>,
    behind: Option<Behind>,
    balances: u64,
}

impl Stores {
    async fn lease(&self) -> Result<Lease, WriteBehindOpenError> {
        Ok(self.tables.lease(Instant::now() + BOUND).await?)
    }

    async fn ask(&self, command: &Cmd) -> Result<Value, WriteBehindOpenError> {
        let answer = self.link.ask(command, Instant::now() + BOUND).await;
        answer.map_err(trouble)
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, WriteBehindOpenError> {
        let mut get = redis::cmd("GET");
        get.arg(key);
        let value = self.ask(&get).await?;
        Ok(bytes(Some(&value))?.map(<[u8]>::to_vec))
    }

    async fn all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, WriteBehindOpenError> {
        let count = commands.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command);
        }
        let answers = self.link.ask_all(&pipeline, count, Instant::now() + BOUND);
        answers.await.map_err(trouble)
    }

    async fn moment(&self) -> Result<Moment, WriteBehindOpenError> {
        let lease = self.lease().await?;
        let behind = match positions::read(&lease).await {
            // There never was a Redis in front of it, or one of a version without these tables.
            Err(failure) if positions::is_undefined(&failure) => None,
            read => read?,
        };
        let balances = match behind {
            Some(_) => positions::read_log(&lease, 0, 0).await?.0,
            None => 0,
        };
        lease.done();
        let meta = self.get(META.as_bytes()).await?;
        Ok(Moment {
            meta,
            behind,
            balances,
        })
    }
}

/// The accounts, as the events make them.
#[derive(Default)]
struct Accounts(HashMap<AccountId, Account>);

impl StateMut for Accounts {
    fn account_mut(&mut self, id: &AccountId) -> Option<&mut Account> {
        self.0.get_mut(id)
    }

    fn accepted(&self) -> Vec<Payment> {
        Vec::new()
    }

    fn insert_account(&mut self, id: &AccountId, account: Account) {
        self.0.insert(id.clone(), account);
    }

    fn remember(&mut self, _: &Event) {}
}

struct Comparison<'a> {
    stores: &'a Stores,
    before: &'a Moment,
    accounts: Accounts,
    findings: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn new(stores: &'a Stores, before: &'a Moment) -> Self {
        Self {
            stores,
            before,
            accounts: Accounts::default(),
            findings: Vec::new(),
        }
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    async fn run(mut self) -> Result<VerifiedStores, WriteBehindOpenError> {
        let (Some(behind), Some(meta)) = (&self.before.behind, &self.before.meta) else {
            return Err(WriteBehindOpenError::Disagree(
                "one of them is empty; a start rebuilds Redis from the database".to_owned(),
            ));
        };
        let meta = MetaRecord::decode(meta)?;
        let position = meta.position;
        self.check_meta(&meta, behind)?;
        let logged = self.load_database().await?;
        self.bring_forward(logged, behind.position, position)
            .await?;
        self.compare_accounts().await?;
        let known = self.known(meta.filters_count).await?;
        let ids_count = self.compare_ids(&known).await?;
        let balances = self.check_rules();
        Ok(VerifiedStores {
            position,
            persisted: behind.position,
            accounts_count: self.accounts.0.len() as u64,
            ids_count,
            balances,
            findings: self.findings,
        })
    }

    /// Whether the ledger and the epoch are the database's, and the position not before its own.
    fn check_meta(
        &mut self,
        meta: &MetaRecord,
        behind: &Behind,
    ) -> Result<(), WriteBehindOpenError> {
        let position = meta.position;
        if meta.ledger != *behind.ledger_id.as_bytes() || meta.epoch != behind.epoch {
            return Err(WriteBehindOpenError::Disagree(
                "they are of different ledgers or epochs; a start says more".to_owned(),
            ));
        }
        if position < behind.position {
            let persisted = behind.position;
            self.find(format!(
                "Redis is at position {position}, the database at {persisted} already"
            ));
        }
        Ok(())
    }

    /// The accounts, where they are, and the calls after that: as they were at one moment.
    async fn load_database(&mut self) -> Result<(u64, Vec<Logged>), WriteBehindOpenError> {
        let lease = self.stores.lease().await?;
        let client = lease.client();
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        client.batch_execute(begin).await?;
        let logged = positions::read_log(&lease, i64::MAX, i64::MAX).await?;
        let accounts = every_account(&lease, PAGE, BOUND).await?;
        client.batch_execute("COMMIT").await?;
        lease.done();
        self.accounts.0.extend(accounts);
        Ok(logged)
    }

    /// Applies what the database has only logged, and what only the stream has.
    async fn bring_forward(
        &mut self,
        (at, logged): (u64, Vec<Logged>),
        persisted: u64,
        position: u64,
    ) -> Result<(), WriteBehindOpenError> {
        let mut records = Vec::new();
        for call in logged {
            records.extend(decode_all(&call.records)?);
        }
        if at + records.len() as u64 != persisted {
            let count = records.len();
            self.find(format!(
                "the database's accounts are at position {at}, {count} events are logged, and its \
                 entries are at {persisted}"
            ));
        }
        let mut range = redis::cmd("XRANGE");
        range.arg(STREAM).arg(format!("{}-0", persisted + 1));
        range.arg("+");
        let before = records.len();
        if let Value::Array(calls) = self.stores.ask(&range).await? {
            for call in &calls {
                records.extend(decode_all(payload(call)?)?);
            }
        }
        let tail = (records.len() - before) as u64;
        if persisted + tail != position {
            self.find(format!(
                "the stream has {tail} events after position {persisted}, Redis is at {position}"
            ));
        }
        for record in records {
            self.apply(&record);
        }
        Ok(())
    }

    fn apply(&mut self, record: &Record) {
        let needed = record.event.accounts_needed();
        if let Some(id) = needed.iter().find(|id| !self.accounts.0.contains_key(*id)) {
            self.find(format!("an event names account {id}, which is not open"));
            return;
        }
        if let Event::Transfer(transfer) = &record.event {
            let (debit, credit) = transfer.movements();
            let sides = [
                (&transfer.debit_account_id, debit),
                (&transfer.credit_account_id, credit),
            ];
            let cannot = sides.iter().find(|(id, movement)| {
                let account = self.accounts.0.get(id);
                account.is_some_and(|account| !account.can_apply(*movement))
            });
            if let Some((id, movement)) = cannot {
                self.find(format!(
                    "transfer {} cannot follow upon account {id}: {movement:?}, {:?}",
                    transfer.id,
                    self.accounts.0.get(id)
                ));
                return;
            }
        }
        evolve(&mut self.accounts, &record.event);
    }

    async fn compare_accounts(&mut self) -> Result<(), WriteBehindOpenError> {
        let mut ids: Vec<AccountId> = self.accounts.0.keys().cloned().collect();
        ids.sort();
        for page in ids.chunks(500) {
            let get = |id: &AccountId| {
                let mut get = redis::cmd("GET");
                get.arg(account_key(id));
                get
            };
            let newest = |id: &AccountId| {
                let mut range = redis::cmd("LRANGE");
                range.arg(entries_key(id));
                range.arg(-i64::from(ENTRIES_KEPT)).arg(-1);
                range
            };
            let commands = page.iter().flat_map(|id| [get(id), newest(id)]).collect();
            let answers = self.stores.all(commands).await?;
            for (id, answers) in page.iter().zip(answers.chunks_exact(2)) {
                self.compare_account(id, &answers[0])?;
                self.compare_entries(id, &answers[1]).await?;
            }
        }
        let in_redis = self.count_keys(ACCOUNT_KEYS).await?;
        if in_redis != ids.len() as u64 {
            let count = ids.len();
            self.find(format!(
                "Redis has {in_redis} accounts, the database {count}"
            ));
        }
        Ok(())
    }

    fn compare_account(
        &mut self,
        id: &AccountId,
        answer: &Value,
    ) -> Result<(), WriteBehindOpenError> {
        let kept = bytes(Some(answer))?.map(Kept::decode).transpose()?;
        let kept = kept.map(|kept| kept.account);
        let expected = self.accounts.0.get(id).copied();
        if kept != expected {
            self.find(format!(
                "account {id}: Redis {kept:?}, the database {expected:?}"
            ));
        }
        Ok(())
    }

    async fn compare_entries(
        &mut self,
        id: &AccountId,
        answer: &Value,
    ) -> Result<(), WriteBehindOpenError> {
        let Value::Array(records) = answer else {
            return Err(Damaged.into());
        };
        let mut here: Vec<Entry> = Vec::new();
        for record in records {
            let record = Record::decode(bytes(Some(record))?.ok_or(Damaged)?)?;
            let Event::Transfer(transfer) = record.event else {
                return Err(Damaged.into());
            };
            here.extend(transfer.entry(id));
        }
        here.reverse();
        let deadline = Instant::now() + BOUND;
        let tables = &self.stores.tables;
        let there = tables.entries(id, u64::MAX, ENTRIES_KEPT.into(), deadline);
        let there = there
            .await
            .map_err(|unavailable| WriteBehindOpenError::Unsafe(unavailable.to_string()))?;
        let newest = here.first().map_or(0, |entry| entry.number);
        let counted = self
            .accounts
            .0
            .get(id)
            .map_or(0, |account| account.entry_count);
        if newest != counted {
            self.find(format!(
                "account {id} has {counted} entries, the newest in Redis is {newest}"
            ));
        }
        for entry in &there {
            let other = here.iter().find(|other| other.number == entry.number);
            if other.is_some_and(|other| other != entry) {
                self.find(format!(
                    "entry {} of account {id}: {other:?}, {entry:?}",
                    entry.number
                ));
            }
        }
        Ok(())
    }

    async fn count_keys(&self, pattern: &str) -> Result<u64, WriteBehindOpenError> {
        let (mut cursor, mut count) = (Vec::from(*b"0"), 0);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(pattern);
            scan.arg("COUNT").arg(1_000);
            let Value::Array(page) = self.stores.ask(&scan).await? else {
                return Err(Damaged.into());
            };
            let Some(Value::Array(keys)) = page.get(1) else {
                return Err(Damaged.into());
            };
            count += keys.len() as u64;
            let next = bytes(page.first())?.ok_or(Damaged)?;
            if next == b"0" {
                return Ok(count);
            }
            cursor = next.to_vec();
        }
    }

    /// Every persisted id is known to Redis; gives their count.
    async fn compare_ids(&mut self, known: &Known) -> Result<u64, WriteBehindOpenError> {
        let mut count = 0;
        let mut from = TransferId::from_u128(0);
        loop {
            let deadline = Instant::now() + BOUND;
            let page = self.stores.tables.transfer_ids_from(from, PAGE, deadline);
            let page = page.await?;
            count += page.len() as u64;
            for id in &page {
                let hash = Hash::of_transfer(*id);
                if !known.has(hash) && self.stores.get(&transfer_key(*id)).await?.is_none() {
                    self.find(format!("Redis does not know the used transfer id {id}"));
                }
            }
            match page.last().map(|id| id.to_u128().checked_add(1)) {
                Some(Some(next)) => from = TransferId::from_u128(next),
                _ => break,
            }
        }
        let mut from = BatchId::from_u128(0);
        loop {
            let deadline = Instant::now() + BOUND;
            let page = self.stores.tables.batch_ids_from(from, PAGE, deadline);
            let page = page.await?;
            count += page.len() as u64;
            for id in &page {
                let hash = Hash::of_batch(*id);
                if !known.has(hash) && self.stores.get(&batch_key(*id)).await?.is_none() {
                    self.find(format!("Redis does not know the used batch id {id}"));
                }
            }
            match page.last().map(|id| id.to_u128().checked_add(1)) {
                Some(Some(next)) => from = BatchId::from_u128(next),
                _ => return Ok(count),
            }
        }
    }

    async fn known(&self, filters_count: u8) -> Result<Known, WriteBehindOpenError> {
        let mut known = Known::default();
        for number in 0..filters_count {
            let filter = self.stores.get(&filter_key(number.into())).await?;
            // One that is not there has no bit set.
            known.add(filter.unwrap_or_default());
        }
        Ok(known)
    }

    /// Sums of zero, and nobody past the limit.
    fn check_rules(&mut self) -> BTreeMap<String, i64> {
        let mut balances: BTreeMap<String, i64> = BTreeMap::new();
        let mut findings = Vec::new();
        for (id, account) in &self.accounts.0 {
            let sum = balances.entry(account.currency.to_string()).or_default();
            *sum = sum.wrapping_add(account.balance());
            if let Limit::Credit(limit) = account.limit {
                let incoming = u128::from(account.credits_posted) + u128::from(limit);
                let outgoing =
                    u128::from(account.debits_posted) + u128::from(account.debits_pending);
                if outgoing > incoming {
                    findings.push(format!("account {id} has passed its limit: {account:?}"));
                }
            }
        }
        for (currency, sum) in balances.iter().filter(|(_, sum)| **sum != 0) {
            findings.push(format!("the balances in {currency} sum to {sum}"));
        }
        for finding in findings {
            self.find(finding);
        }
        balances
    }
}

/// The records of a call in the stream: `[id, [field, value]]`.
fn payload(call: &Value) -> Result<&[u8], Damaged> {
    let Value::Array(call) = call else {
        return Err(Damaged);
    };
    let Some(Value::Array(fields)) = call.get(1) else {
        return Err(Damaged);
    };
    bytes(fields.get(1))?.ok_or(Damaged)
}
