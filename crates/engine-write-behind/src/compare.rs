//! Redis compared with the database: what is asked in which order, and what follows from the answers.
//! Only this; the stores are handed in, real ones or simulated ones.
//!
//! | Redis | what is done |
//! |---|---|
//! | in use under the newest epoch, and nothing has gone back | the node joins; nothing is changed |
//! | at the database's position or after it, and all that the ledger went on with is in it | kept, under a new epoch |
//! | empty; lost what is persisted; has calls without which the ledger went on | rebuilt, under a new epoch |
//! | another ledger; or neither of the two has calls that were answered | refused; nothing is applied |
//! | not the one that another node goes on with | refused; nothing is applied by this node |
//! | both are behind what a node has answered | refused; nothing is applied. Where Redis syncs once a second and is the one that answered it: kept, and what is lost is named |
//!
//! - The database is read before Redis: its position can only be too low then. To judge anything but
//!   a join both have to stand still: the database takes a new epoch, so that no persist of before can
//!   commit, and Redis is halted, so that no call is applied.
//! - An epoch counts once it is confirmed in the database, at the position at which Redis went on
//!   under it. Nobody calls under one that is not. Redis' state of an older epoch is a beginning of the
//!   ledger's history if it has no more than the least position of the epochs confirmed since.

use crate::data_loss::{Dropped, Loss, would_lose};
use crate::epoch::{History, NUMBER_DIGITS, Newest};
use crate::error::{Damaged, WriteBehindOpenError};
use crate::nodes::Answered;
use crate::positions::Behind;

/// What Redis says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) epoch: String,
    pub(crate) ledger: [u8; 16],
    pub(crate) position: u64,
    /// Up to here the stream is cut.
    pub(crate) trimmed: u64,
    /// Up to here it may have forgotten what is persisted; not less than `trimmed`.
    pub(crate) let_go: u64,

    /// Where the stream begins; `None` where it is empty.
    pub(crate) stream_begin: Option<u64>,
    /// It was compared under its epoch since it started, and has not gone back since.
    pub(crate) is_in_session: bool,
    /// The version before wrote it.
    pub(crate) is_old_format: bool,
}

impl Mark {
    /// The number of its epoch; 0 for the version before, which did not count them.
    fn number(&self) -> Result<u64, Damaged> {
        if self.is_old_format {
            return Ok(0);
        }
        let digits = self.epoch.get(..NUMBER_DIGITS).ok_or(Damaged)?;
        u64::from_str_radix(digits, 16).map_err(|_| Damaged)
    }
}

/// What a comparison does where the ledger would go on without what was answered, by this node or by
/// another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnLoss {
    /// It refuses, and changes nothing: it may have been given the wrong Redis.
    Refuse,
    /// It refuses as well, but for the Redis that answered it: that one syncs once a second, and may have
    /// lost its newest writes. They are named, and the ledger goes on.
    NameTail,
    /// It names what is lost, and goes on: a start that was told to.
    NameAll,
}

impl OnLoss {
    /// Whether the ledger may go on with what is found, without what was answered under this epoch.
    fn goes_on(self, found: Option<&Mark>, history: History, answered_epoch: &str) -> bool {
        match self {
            Self::Refuse => false,
            Self::NameTail => {
                found.is_some_and(|mark| mark.epoch == answered_epoch)
                    && history == History::WentOn(None)
            }
            Self::NameAll => true,
        }
    }
}

/// What a comparison does with the stores, one question at a time.
pub(crate) trait Stores {
    /// What the database says; `None` where there never was a Redis before it.
    async fn database(&self) -> Result<Option<Behind>, WriteBehindOpenError>;
    /// Begins a ledger in the database.
    async fn create(&self) -> Result<(), WriteBehindOpenError>;
    /// What Redis says; `None` where it is empty.
    async fn redis(&self) -> Result<Option<Mark>, WriteBehindOpenError>;
    /// Refuses while another node goes on with another Redis.
    async fn check_alone(&self) -> Result<(), WriteBehindOpenError>;
    /// The furthest position that another node has answered, of what the ledger did not go on without
    /// already.
    async fn answered(&self) -> Result<Option<Answered>, WriteBehindOpenError>;
    /// Takes a new epoch with a number above this one; its position stands from then on.
    async fn take(&self, above: u64) -> Result<Behind, WriteBehindOpenError>;
    /// As `redis`, and from then on nothing is applied before it is resumed or founded.
    /// A Redis of another ledger is not halted, and one that is not the one of `check_alone` is refused.
    async fn halt(&self, taken: &Behind) -> Result<Option<Mark>, WriteBehindOpenError>;
    async fn history(&self, epoch: &str) -> Result<History, WriteBehindOpenError>;
    /// Names what the ledger goes on without, over a database that ends here: once, however often the
    /// comparison is tried.
    fn name(&self, loss: Loss, persisted: u64);

    /// Redis goes on with what it has, as it was found.
    async fn resume(&self, found: &Mark, epoch: &str) -> Result<(), WriteBehindOpenError>;
    /// Redis is made anew from the database; what it has may be dropped up to this position.
    async fn rebuild(
        &self,
        found: Option<&Mark>,
        drop: u64,
        epoch: &str,
    ) -> Result<(), WriteBehindOpenError>;
    /// Redis went on under the epoch, here; `false`: somebody has taken another one.
    async fn confirm(&self, epoch: &str, began: u64) -> Result<bool, WriteBehindOpenError>;
}

/// The stores agree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) epoch: String,
    /// Why Redis was rebuilt.
    pub(crate) rebuilt: Option<&'static str>,
    pub(crate) persisted: u64,
    pub(crate) position: u64,
    /// What Redis had and the ledger went on without: it was dropped.
    pub(crate) dropped: Option<Dropped>,
}

/// Compares the stores, and brings them to agree where that loses nothing that one of them has.
pub(crate) async fn compare(
    stores: &impl Stores,
    newest: Option<&Newest>,
    on_loss: OnLoss,
) -> Result<Agreed, WriteBehindOpenError> {
    let before = stores.database().await?;
    let Some(before) = before else {
        if stores.redis().await?.is_some() {
            return Err(WriteBehindOpenError::Disagree(
                "Redis holds a ledger, the database has never been behind one".to_owned(),
            ));
        }
        stores.create().await?;
        return renew(stores, 0, newest, on_loss).await;
    };
    // Before Redis is asked: it is not behind this unless it went back.
    let answered = stores.answered().await?;
    let redis = stores.redis().await?;
    // Before anything changes: a Redis of another ledger goes on, and so does the version before.
    if let Some(mark) = &redis {
        may_be_judged(&before, mark)?;
    }
    let after = stores.database().await?;
    if let (Some(mark), Some(after)) = (&redis, &after)
        && is_agreed(&before, mark, after, newest)
        && answered.is_none_or(|answered| answered.position <= mark.position)
    {
        // The ledger went on already: this node only follows, and names what it misses.
        if let Some(lost) = own_loss(stores, newest, mark.position).await? {
            stores.name(lost.loss(), before.position);
        }
        return Ok(Agreed {
            epoch: after.epoch.clone(),
            rebuilt: None,
            persisted: before.position,
            position: mark.position,
            dropped: None,
        });
    }
    let above = match &redis {
        Some(mark) => mark.number()?,
        None => 0,
    };
    renew(stores, above, newest, on_loss).await
}

/// Whether stores that are in use still agree: a node asks this all the time.
pub(crate) async fn still_agree(
    stores: &impl Stores,
    newest: &Newest,
) -> Result<bool, WriteBehindOpenError> {
    let (before, redis) = (stores.database().await?, stores.redis().await?);
    let after = stores.database().await?;
    Ok(match (&before, &redis, &after) {
        (Some(before), Some(mark), Some(after)) => {
            after.epoch == newest.epoch && is_agreed(before, mark, after, Some(newest))
        }
        _ => false,
    })
}

/// Whether Redis is in use under the newest epoch and neither of the two has gone back, by answers
/// in this order.
pub(crate) fn is_agreed(
    before: &Behind,
    redis: &Mark,
    after: &Behind,
    newest: Option<&Newest>,
) -> bool {
    let is_of_epoch = redis.ledger == *after.ledger_id.as_bytes()
        && redis.epoch == before.epoch
        && redis.epoch == after.epoch
        && after.began.is_some();
    let seen = newest.filter(|newest| newest.epoch == redis.epoch);
    is_of_epoch
        && redis.is_in_session
        && redis.position >= before.position
        && seen.is_none_or(|seen| redis.position >= seen.position)
        && redis.let_go <= after.position
}

/// Both stand still, and are judged.
async fn renew(
    stores: &impl Stores,
    above: u64,
    newest: Option<&Newest>,
    on_loss: OnLoss,
) -> Result<Agreed, WriteBehindOpenError> {
    stores.check_alone().await?;
    let taken = stores.take(above).await?;
    let epoch = taken.epoch.clone();
    let found = stores.halt(&taken).await?;
    let history = match &found {
        Some(mark) => stores.history(&mark.epoch).await?,
        None => History::WentOn(None),
    };
    let persisted = taken.position;
    let verdict = judge(&taken, found.as_ref(), history)?;
    let position = verdict.position(persisted);
    let own = own_loss(stores, newest, position).await?;
    let others = stores.answered().await?;
    let others = others.filter(|answered| answered.position > position);
    let goes_on = |epoch: &str| on_loss.goes_on(found.as_ref(), history, epoch);
    let own_refused = own
        .as_ref()
        .filter(|own| !own.is_settled && !goes_on(&own.epoch));
    let others_refused = others.as_ref().filter(|others| !goes_on(&others.epoch));
    match (own_refused, others_refused) {
        (Some(own), others) if others.is_none_or(|others| others.position <= own.to) => {
            return Err(would_lose("this node", own.to, position, None));
        }
        (_, Some(others)) => {
            let (to, address) = (others.position, Some(&*others.address));
            return Err(would_lose("a node", to, position, address));
        }
        (_, None) => {}
    }
    // Before anything is done: whatever fails then, these positions are named.
    if let Some(own) = &own {
        stores.name(own.loss(), persisted);
    }
    if let Some(Answered { position: to, .. }) = others
        && newest.is_none_or(|own| own.position < to)
    {
        let after = position;
        stores.name(Loss::OfOthers { after, to }, persisted);
    }
    let (rebuilt, dropped) = match verdict {
        Verdict::Keep(mark) => {
            stores.resume(mark, &epoch).await?;
            (None, None)
        }
        Verdict::Rebuild { why, drop, dropped } => {
            // The database is still what it was: nothing is dropped for one that is gone.
            if stores.database().await?.as_ref() != Some(&taken) {
                return Err(WriteBehindOpenError::Busy);
            }
            tracing::warn!(why, "Redis is rebuilt from the database");
            if let Some(dropped) = dropped {
                stores.name(Loss::Dropped(dropped), persisted);
            }
            stores.rebuild(found.as_ref(), drop, &epoch).await?;
            (Some(why), dropped)
        }
    };
    if !stores.confirm(&epoch, position).await? {
        return Err(WriteBehindOpenError::Busy);
    }
    Ok(Agreed {
        epoch,
        rebuilt,
        persisted,
        position,
        dropped,
    })
}

/// What this node has answered, or was told, and the ledger is without.
struct OwnLoss {
    epoch: String,
    /// Up to here the ledger has it.
    after: u64,
    to: u64,
    /// The ledger went on without all of it before: nothing is to be refused any more.
    is_settled: bool,
}

impl OwnLoss {
    const fn loss(&self) -> Loss {
        let (after, to) = (self.after, self.to);
        Loss::Own { after, to }
    }
}

/// What this node had seen that a ledger which goes on at this position is without.
async fn own_loss(
    stores: &impl Stores,
    newest: Option<&Newest>,
    position: u64,
) -> Result<Option<OwnLoss>, WriteBehindOpenError> {
    let Some(Newest {
        epoch,
        position: to,
    }) = newest
    else {
        return Ok(None);
    };
    let (after, is_settled) = match stores.history(epoch).await? {
        History::WentOn(Some(from)) => (from.min(position), from <= position),
        History::WentOn(None) => (position, false),
        // The database was restored to before it: nothing vouches for what the node had seen.
        History::Unknown | History::Gap => (position.min(to.saturating_sub(1)), false),
    };
    Ok((after < *to).then(|| OwnLoss {
        epoch: epoch.clone(),
        after,
        to: *to,
        is_settled,
    }))
}

/// What becomes of Redis.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// It goes on.
    Keep(&'a Mark),
    /// It is made anew; what it has up to this position may be dropped.
    Rebuild {
        why: &'static str,
        drop: u64,
        /// What nobody else has of it.
        dropped: Option<Dropped>,
    },
}

impl Verdict<'_> {
    /// Where the ledger goes on, over a database that ends here.
    const fn position(&self, persisted: u64) -> u64 {
        match self {
            Self::Keep(mark) => mark.position,
            Self::Rebuild { .. } => persisted,
        }
    }

    /// Redis is made anew, and has nothing up to this position that the database lacks.
    const fn rebuild(why: &'static str, drop: u64) -> Self {
        let dropped = None;
        Self::Rebuild { why, drop, dropped }
    }
}

/// Whether this Redis may be brought to agree with this database at all.
fn may_be_judged(behind: &Behind, mark: &Mark) -> Result<(), WriteBehindOpenError> {
    let refuse = |text: String| Err(WriteBehindOpenError::Disagree(text));
    if mark.ledger != *behind.ledger_id.as_bytes() {
        return refuse(
            "they hold different ledgers: check --redis-url and --database-url".to_owned(),
        );
    }
    if mark.is_old_format && mark.position > behind.position {
        return refuse(format!(
            "Redis is at position {}, the database at {}, and Redis holds the format of \
             a version before: run that version until everything is persisted",
            mark.position, behind.position
        ));
    }
    Ok(())
}

/// Judges a Redis that is halted by a database that has taken a new epoch.
pub(crate) fn judge<'a>(
    taken: &Behind,
    redis: Option<&'a Mark>,
    history: History,
) -> Result<Verdict<'a>, WriteBehindOpenError> {
    let refuse = |text: String| Err(WriteBehindOpenError::Disagree(text));
    let Some(mark) = redis else {
        return Ok(Verdict::rebuild("it is empty", 0));
    };
    may_be_judged(taken, mark)?;
    let persisted = taken.position;
    if mark.is_old_format {
        let why = "it holds the format of a version before";
        return Ok(Verdict::rebuild(why, persisted));
    }
    match history {
        History::WentOn(Some(from)) if mark.position > from => {
            return Ok(Verdict::Rebuild {
                why: "an older one has come back, with calls without which the ledger went on",
                drop: mark.position,
                dropped: Some(Dropped {
                    from: from + 1,
                    to: mark.position,
                }),
            });
        }
        History::WentOn(_) => {}

        History::Unknown | History::Gap => {
            return refuse(
                "the database does not know under which epochs the ledger went on since Redis' own; was \
                 it restored to before them, and used with another Redis? Nothing is applied; restore a \
                 newer database"
                    .to_owned(),
            );
        }
    }
    if mark.position < persisted {
        let why = "it has lost calls that are persisted";
        return Ok(Verdict::rebuild(why, persisted));
    }
    if mark.let_go > persisted {
        return refuse(format!(
            "Redis has let go of everything up to position {}, the database ends at {persisted}: it is \
             older than it was. Nothing is applied; restore a newer database",
            mark.let_go
        ));
    }
    let is_whole = mark
        .stream_begin
        .is_some_and(|begin| begin <= persisted + 1);
    if mark.position > persisted && !is_whole {
        return refuse(format!(
            "the database ends at position {persisted}, and the stream in Redis begins after the call \
             that comes next. Nothing is applied; restore a newer database"
        ));
    }
    Ok(Verdict::Keep(mark))
}

#[cfg(test)]
mod tests;
