//! How far the feed may be shown: up to a position that no open transaction can still fill.
//!
//! A transaction draws its positions when it has locked what it depends upon, and commits later: another may draw
//! after it and commit before it. Who showed the newest position then would pass over the older one for ever.
//!
//! - Who draws holds a lock of the table from before it draws until what it wrote can be seen, or is rolled back.
//!   So all that was drawn before a look is decided once none of those who held the lock at that look holds it still.
//! - Only those are waited for: neither other tables' transactions nor those of other databases hold the feed back.
//! - Where commits wait for a standby, the feed does too.
//!
//! | a look | round trips |
//! |---|---|
//! | while nobody writes, or nothing is new | 1 |
//! | while somebody writes | 1 more for each time the table is looked at again, every few milliseconds |
//! | where there is a synchronous standby, if something is new | 1 more |
//!
//! Readers that come during a look share the next one.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::error::Failure;
use crate::lease::{Lease, Pool};
use crate::pipeline::Sent;
use crate::standby::Standby;

/// What was drawn so far.
const DRAWN: &str = "
    SELECT lastro.events_drawn() AS drawn,
        current_setting('synchronous_standby_names') <> '' AS has_standby,
        pg_postmaster_start_time()::text AS server";

/// Who may have drawn and not ended. A transaction that was prepared for later has no process.
const WRITERS: &str = "
    SELECT virtualtransaction, coalesce(pid, 0) AS pid FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'lastro.events'::regclass AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND mode = 'RowExclusiveLock'";

/// How long between two looks at those who write.
const PAUSE: Duration = Duration::from_millis(2);
/// How long they are waited for by one reader; the next one goes on waiting for the same.
const PATIENCE: Duration = Duration::from_millis(250);

/// The way to the database.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) pool: &'a Pool,
    /// Whether commits wait for a standby that is away.
    pub(crate) standby: &'a Standby,
}

/// What was seen of the feed, shared by all of its readers.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    /// Up to here nothing changes any more. Changed by who has the lock.
    end: AtomicI64,
    looks: Mutex<Looks>,
}

#[derive(Debug, Default)]
struct Looks {
    /// When the look began that found it; `None` before the first.
    looked_at: Option<Instant>,
    /// What waits for transactions to end, since an earlier look.
    waiting: Option<Waiting>,
    /// The server that all this was seen on; empty before the first look.
    server: String,
    /// Whether an end was found on it.
    is_found: bool,
}

#[derive(Debug)]
struct Waiting {
    drawn: i64,
    has_standby: bool,
    /// Which server was looked at, as long as it runs.
    server: String,
    writers: HashSet<Writer>,
}

/// A transaction that holds the lock, as long as it does.
type Writer = (String, i32);

impl Horizon {
    /// A position up to which every event is decided and can be read, as it was at `asked_at` or later: all that
    /// was answered before `asked_at` is in front of it, but for what transactions hold back that go on for
    /// [`PATIENCE`]. `None` while they have held back every look at this server.
    pub(crate) async fn end(
        &self,
        way: Way<'_>,
        asked_at: Instant,
        deadline: Instant,
    ) -> Result<Option<i64>, Failure> {
        let mut looks = self.looks.lock().await;
        if looks.looked_at.is_none_or(|at| at < asked_at) {
            let began = Instant::now();
            self.look(&mut looks, way, deadline).await?;
            looks.looked_at = Some(began);
        }
        Ok(looks.is_found.then(|| self.last_end()))
    }

    /// The one that was found last; 0 before the first.
    pub(crate) fn last_end(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    /// Whether an event of this number was decided, or a transaction that would have made it was rolled back.
    pub(crate) async fn was_drawn(
        &self,
        number: i64,
        way: Way<'_>,
        deadline: Instant,
    ) -> Result<bool, Failure> {
        Ok(number <= Waiting::look(way, deadline).await?.drawn)
    }

    async fn look(
        &self,
        looks: &mut Looks,
        way: Way<'_>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let patient_until = deadline.min(Instant::now() + PATIENCE);
        let mut found = Waiting::look(way, deadline).await?;
        if looks.server != found.server {
            // Another server may have less than the one before it had, and has none of its writers.
            self.end.store(0, Ordering::Release);
            looks.waiting = None;
            looks.is_found = false;
            looks.server.clone_from(&found.server);
        }
        if let Some(before) = &mut looks.waiting {
            before.keep(&found.writers);
            if before.writers.is_empty() {
                self.found(before, way, deadline).await?;
                looks.is_found = true;
                looks.waiting = None;
            }
        }
        while !found.writers.is_empty() {
            if Instant::now() >= patient_until {
                looks.waiting.get_or_insert(found);
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
            let again = Waiting::look(way, deadline).await?;
            if again.server != found.server {
                // The next attempt begins with the new one.
                return Err(Failure::Late);
            }
            found.keep(&again.writers);
        }
        self.found(&found, way, deadline).await?;
        looks.is_found = true;
        looks.waiting = None;
        Ok(())
    }

    /// All that was drawn by then is decided.
    async fn found(&self, found: &Waiting, way: Way<'_>, deadline: Instant) -> Result<(), Failure> {
        if found.drawn == self.last_end() {
            return Ok(());
        }
        if found.has_standby {
            // Not while commits wait for a standby that is away: such a wait has no end of its own.
            let lease = Lease::take(way.pool, deadline).await?;
            match way.standby.check(lease.client()).await {
                Ok(()) => lease.settle().await?,
                Err(Failure::StandbyAway) => {
                    lease.done();
                    return Err(Failure::StandbyAway);
                }
                Err(failure) => return Err(failure),
            }
            lease.done();
        }
        self.end.store(found.drawn, Ordering::Release);
        Ok(())
    }
}

impl Waiting {
    /// What was drawn, and then who may have drawn it.
    async fn look(way: Way<'_>, deadline: Instant) -> Result<Self, Failure> {
        let lease = Lease::take(way.pool, deadline).await?;
        let client = lease.client();
        let [drawn, writers] = [
            client.prepare_cached(DRAWN).await?,
            client.prepare_cached(WRITERS).await?,
        ];
        let drawn = Sent::new(client.query_one(&drawn, &[])).await;
        let writers = Sent::new(client.query(&writers, &[])).await;
        let (row, rows) = (drawn.answer().await?, writers.answer().await?);
        let mut writers = HashSet::new();
        for row in &rows {
            writers.insert((row.try_get("virtualtransaction")?, row.try_get("pid")?));
        }
        lease.done();
        Ok(Self {
            drawn: row.try_get("drawn")?,
            has_standby: row.try_get("has_standby")?,
            server: row.try_get("server")?,
            writers,
        })
    }

    /// Waits no longer for those who are not among these.
    fn keep(&mut self, writers: &HashSet<Writer>) {
        self.writers.retain(|writer| writers.contains(writer));
    }
}
