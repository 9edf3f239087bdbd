//! Start and repair: Redis is compared with the database before anything is applied to it, by one
//! node at a time. Every start does it, and every node that finds Redis changed.
//!
//! | Redis | the database | what is done |
//! |---|---|---|
//! | empty | any | Redis is rebuilt |
//! | of the epoch, at the database's position or after it | | it goes on |
//! | of the epoch, before the database's position: it lost what was persisted already | | rebuilt |
//! | of another epoch of the same ledger: an older Redis has come back | | rebuilt |
//! | another ledger, or calls that are neither there nor in the database | | refused |

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine_postgres::Lease;
use ledger::Unavailable;
use redis::Value;

use crate::bytes::Bytes;
use crate::error::{Damaged, OpenError, Trouble};
use crate::front::Front;
use crate::link::{Function, bytes};
use crate::positions::{self, Behind, Role};
use crate::rebuild::rebuild;

/// The library that is loaded at the start.
const LIBRARY: &str = include_str!("library.lua");
/// Its name: another version has another one, so that nodes of both may run side by side.
const LIBRARY_NAME: &str = "lastro_1";
/// How long another node may be at it.
const BUSY_BOUND: Duration = Duration::from_secs(600);
/// How long one question may take.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// Where Redis' state comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Kept,
    /// It was rebuilt from the database.
    Rebuilt,
}

/// The stores agree.
pub(crate) struct Repaired {
    pub(crate) epoch: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) persisted: u64,
    pub(crate) position: u64,
}

impl Repaired {
    /// Goes on from here. A node that lived on says what it had answered.
    pub(crate) fn begin(self, front: &Front) {
        let answered = front.seen.position.load(Ordering::Relaxed);
        let (position, persisted) = (self.position, self.persisted);
        if answered > position {
            tracing::warn!(
                answered_position = answered,
                position,
                "this node had answered further than Redis and the database go: the tail is gone"
            );
        }
        let origin = match self.origin {
            Origin::Kept => "kept",
            Origin::Rebuilt => "rebuilt from the database",
        };
        tracing::info!(
            persisted_position = persisted,
            position,
            origin,
            "the ledger is open"
        );
        front.seen.begin(position, persisted);
        front.agree(self.epoch);
    }
}

/// What Redis says of itself.
struct Meta {
    epoch: String,
    ledger: [u8; 16],
    position: u64,
    trimmed: u64,
}

/// Compares the stores, and rebuilds Redis where that is what it needs.
pub(crate) async fn repair(front: &Front) -> Result<Repaired, OpenError> {
    let lease = lock(front).await?;
    positions::prepare(&lease).await?;
    if positions::has_payments(&lease).await? {
        return Err(OpenError::Unsafe(
            "the database has payments, and there are none over write-behind yet".to_owned(),
        ));
    }
    load_library(front).await?;
    let (meta, stream_begin) = look(front).await?;
    let behind = match positions::read(&lease).await? {
        Some(behind) => behind,
        None if meta.is_some() => {
            return Err(OpenError::Disagree(
                "Redis holds a ledger, the database has never been behind one".to_owned(),
            ));
        }
        None => {
            positions::create(&lease).await?;
            positions::read(&lease).await?.ok_or(Damaged)?
        }
    };
    let repaired = match judge(meta.as_ref(), stream_begin, &behind)? {
        Verdict::Keep(position) => keep(front, behind, position).await?,
        Verdict::Rebuild(why) => {
            tracing::warn!(why, "Redis is rebuilt from the database");
            rebuild(front, &lease).await?
        }
    };
    // The lock goes with the connection.
    drop(lease);
    Ok(repaired)
}

async fn lock(front: &Front) -> Result<Lease, OpenError> {
    let until = Instant::now() + BUSY_BOUND;
    let mut has_said = false;
    while Instant::now() < until {
        let deadline = Instant::now() + BOUND;
        if let Some(lease) = positions::try_lock(&front.tables, Role::Repair, deadline).await? {
            return Ok(lease);
        }
        if !std::mem::replace(&mut has_said, true) {
            tracing::info!("another node compares the stores or rebuilds Redis: waiting for it");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(OpenError::Busy)
}

async fn load_library(front: &Front) -> Result<(), OpenError> {
    let deadline = Instant::now() + BOUND;
    let mut list = redis::cmd("FUNCTION");
    list.arg("LIST").arg("LIBRARYNAME").arg(LIBRARY_NAME);
    list.arg("WITHCODE");
    let known = front.link.ask(&list, deadline).await.map_err(trouble)?;
    if holds(&known, LIBRARY.as_bytes()) {
        return Ok(());
    }
    if matches!(&known, Value::Array(libraries) if !libraries.is_empty()) {
        return Err(OpenError::Unsafe(format!(
            "the functions {LIBRARY_NAME} in Redis are not those of this version: \
             `FUNCTION DELETE {LIBRARY_NAME}` once no other version runs"
        )));
    }
    let mut load = redis::cmd("FUNCTION");
    load.arg("LOAD").arg(LIBRARY);
    front.link.ask(&load, deadline).await.map_err(trouble)?;
    Ok(())
}

/// Whether these bytes are somewhere in the answer.
fn holds(value: &Value, wanted: &[u8]) -> bool {
    match value {
        Value::BulkString(bytes) => bytes == wanted,
        Value::VerbatimString { text, .. } => text.as_bytes() == wanted,
        Value::Array(values) => values.iter().any(|value| holds(value, wanted)),
        Value::Map(pairs) => pairs.iter().any(|(_, value)| holds(value, wanted)),
        _ => false,
    }
}

/// What Redis holds, and the position at which its stream begins.
async fn look(front: &Front) -> Result<(Option<Meta>, Option<u64>), OpenError> {
    let call = Function::Look.call();
    let deadline = Instant::now() + BOUND;
    let Value::Array(values) = front.link.ask(&call, deadline).await.map_err(trouble)? else {
        return Err(Damaged.into());
    };
    let meta = bytes(values.first())?.map(decode_meta).transpose()?;
    let begin = bytes(values.get(1))?.unwrap_or_default();
    let begin = std::str::from_utf8(begin).map_err(|_| Damaged)?.parse();
    Ok((meta, begin.ok()))
}

fn decode_meta(meta: &[u8]) -> Result<Meta, OpenError> {
    let mut meta = Bytes(meta);
    if meta.take(4)? != b"LWB1" {
        return Err(OpenError::Disagree(
            "Redis holds a format that this version does not know".to_owned(),
        ));
    }
    let epoch = std::str::from_utf8(meta.take(16)?).map_err(|_| Damaged)?;
    let epoch = epoch.to_owned();
    let ledger = meta.array()?;
    let position = meta.u64()?;
    meta.take(8 + 2)?;
    let trimmed = meta.u64()?;
    Ok(Meta {
        epoch,
        ledger,
        position,
        trimmed,
    })
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Keep(u64),
    Rebuild(&'static str),
}

fn judge(
    meta: Option<&Meta>,
    stream_begin: Option<u64>,
    behind: &Behind,
) -> Result<Verdict, OpenError> {
    let Some(meta) = meta else {
        return Ok(Verdict::Rebuild("it is empty"));
    };
    if meta.ledger != *behind.ledger_id.as_bytes() {
        return Err(OpenError::Disagree(
            "they hold different ledgers; is one of the URLs another's?".to_owned(),
        ));
    }
    if meta.epoch != behind.epoch {
        return Ok(Verdict::Rebuild("it is from before the last rebuild"));
    }
    let persisted = behind.position;
    if meta.position < persisted {
        return Ok(Verdict::Rebuild("it has lost calls that are persisted"));
    }
    if meta.trimmed > persisted {
        return Err(OpenError::Disagree(format!(
            "Redis has let go of everything up to position {}, the database ends at {persisted}: \
             it is older than it was, restore a newer one",
            meta.trimmed
        )));
    }
    if meta.position > persisted && stream_begin.is_none_or(|begin| begin > persisted + 1) {
        return Err(OpenError::Disagree(format!(
            "the database ends at position {persisted}, and the stream in Redis begins after the \
             call that comes next"
        )));
    }
    Ok(Verdict::Keep(meta.position))
}

async fn keep(front: &Front, behind: Behind, position: u64) -> Result<Repaired, OpenError> {
    let mut call = Function::Resume.call();
    call.arg(behind.epoch.as_bytes());
    let resumed = front.link.call(&call, Instant::now() + BOUND).await;
    resumed.map_err(trouble)?;
    Ok(Repaired {
        epoch: behind.epoch.into(),
        origin: Origin::Kept,
        persisted: behind.position,
        position,
    })
}

/// What stops a start.
pub(crate) fn trouble(trouble: Trouble) -> OpenError {
    match trouble {
        Trouble::Lost(error)
        | Trouble::Refused(error)
        | Trouble::Stuck(error)
        | Trouble::Full(error) => OpenError::Redis(error),
        Trouble::Damaged(damaged) => damaged.into(),
        Trouble::Stale => OpenError::Disagree("another node rebuilds Redis as well".to_owned()),
        Trouble::Late => OpenError::Unsafe(format!(
            "Redis does not answer: {}",
            Unavailable::Timeout.code()
        )),
    }
}

#[cfg(test)]
mod tests {
    use ledger::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn judged(position: u64, trimmed: u64, begin: Option<u64>, behind: u64) -> String {
        let meta = Meta {
            epoch: "e".to_owned(),
            ledger: [7; 16],
            position,
            trimmed,
        };
        let behind = Behind {
            ledger_id: Uuid::from_bytes([7; 16]),
            epoch: "e".to_owned(),
            position: behind,
            newest: Timestamp::default(),
        };
        match judge(Some(&meta), begin, &behind) {
            Ok(verdict) => format!("{verdict:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn stores_that_agree_are_kept_and_others_mended_or_refused() {
        for (position, trimmed, begin, behind, says) in [
            (10, 10, None, 10, "Keep(10)"),
            (12, 10, Some(11), 10, "Keep(12)"),
            (12, 8, Some(9), 10, "Keep(12)"),
            (9, 9, None, 10, "lost calls that are persisted"),
            (
                12,
                11,
                Some(12),
                10,
                "let go of everything up to position 11",
            ),
            (12, 10, Some(12), 10, "begins after the call"),
            (12, 10, None, 10, "begins after the call"),
        ] {
            let said = judged(position, trimmed, begin, behind);
            assert!(said.contains(says), "{position} {trimmed}: {said}");
        }
    }

    /// Each version of the library that ever was, with the hash of its text.
    const LIBRARIES: [(&str, &str); 1] = [(
        "lastro_1",
        "8da5f4e7b755a31967820e871240e8b56e2796260817a73ba7860210619b1e4f",
    )];

    #[test]
    fn another_library_has_another_name() {
        let hash = blake3::hash(LIBRARY.as_bytes()).to_hex();
        assert_eq!(
            LIBRARIES.last(),
            Some(&(LIBRARY_NAME, hash.as_str())),
            "library.lua has changed. A node does not start where Redis has another library of the \
             same name: give it the next one, here, in its first line, in its `register` and in \
             `Function::call`, and add it to this list. Where no version with that name was \
             released, its hash may change instead."
        );
        assert!(LIBRARY.starts_with(&format!("#!lua name={LIBRARY_NAME}\n")));
        assert!(LIBRARY.contains(&format!("function_name = '{LIBRARY_NAME}_' .. name")));
    }
}
