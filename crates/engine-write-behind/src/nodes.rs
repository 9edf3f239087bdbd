//! Which Redis the nodes go on with: each node says so in the database, every second.
//!
//! Two masters that both live (an old one that came back under its name, a URL that leads
//! elsewhere) hold one ledger twice. The nodes of the one would rebuild it from what the nodes of
//! the other persisted, in turn, and drop each time what was not persisted yet. So a node compares
//! no Redis while another node goes on with another one: it watches whether that node still says
//! so, and refuses if it does.
//!
//! A node lives whose count goes up while it is watched. Only one that has said nothing for a minute,
//! by the database's clock, is not watched at all.
//!
//! Each row has the newest position that its node has answered, too, at most a second old while the
//! database answers: what neither Redis nor the database has any more is named, also when the node that
//! answered it has ended. While the database is away nothing is reported: a start over a report that is
//! much older warns, with its age.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use engine_postgres::{Failure, Lease};
use uuid::Uuid;

use crate::epoch::Newest;
use crate::error::WriteBehindOpenError;
use crate::positions::{self, stored};

/// How long a node that goes on with another Redis is watched before it is taken for dead: several
/// times as long as it takes to say that it lives.
const WATCHED: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(100);

/// From this age of the newest report on a start warns: several times as old as a report gets.
const REPORT_AGE_MAX: Duration = Duration::from_secs(10);

/// Each comparison deletes the rows of other nodes that have not gone on with a Redis for this long, if all
/// that they answered is persisted.
const FORGOTTEN: &str = "1 hour";

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS lastro_behind.nodes (
        node_id uuid PRIMARY KEY,
        run_id text NOT NULL,
        address text NOT NULL,
        epoch text NOT NULL,
        beats bigint NOT NULL,
        seen_at timestamptz NOT NULL,
        position bigint NOT NULL DEFAULT 0,
        reported_at timestamptz
    );
    -- A table of a version before the columns; to look first locks nobody out.
    DO $$
    BEGIN
        IF (
            SELECT count(*) FROM pg_attribute
            WHERE attrelid = 'lastro_behind.nodes'::regclass
                AND attname IN ('position', 'reported_at')
        ) < 2 THEN
            ALTER TABLE lastro_behind.nodes
                ADD COLUMN IF NOT EXISTS position bigint NOT NULL DEFAULT 0,
                ADD COLUMN IF NOT EXISTS reported_at timestamptz;
        END IF;
    END $$;";

/// A Redis, as a node finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What the running server calls itself: another one after each restart, and on each replica.
    pub(crate) run_id: String,
    /// Where it was found, without a password.
    pub(crate) address: String,
}

/// A node that goes on with another Redis.
pub(crate) struct Other {
    pub(crate) node_id: Uuid,
    pub(crate) place: Place,
    /// How often it has reported that it goes on with its Redis.
    pub(crate) beats: i64,
}

/// Makes the tables of this engine where they are not there.
pub(crate) async fn prepare(lease: &Lease) -> Result<(), Failure> {
    positions::prepare(lease).await?;
    Ok(lease.client().batch_execute(TABLE).await?)
}

/// How far a node has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The newest position that it has answered or been told.
    pub(crate) position: u64,
    /// The epoch under which it did so.
    pub(crate) epoch: String,
    /// The address of the Redis that it did so with.
    pub(crate) address: String,
}

/// Reports that this node goes on with this Redis, and how far it has answered with it.
pub(crate) async fn beat(
    lease: &Lease,
    node_id: Uuid,
    place: &Place,
    newest: &Newest,
) -> Result<(), Failure> {
    let statement = "
        INSERT INTO lastro_behind.nodes AS node
            (node_id, run_id, address, epoch, beats, seen_at, position, reported_at)
        VALUES ($1, $2, $3, $4, 1, now(), $5, now())
        ON CONFLICT (node_id) DO UPDATE SET run_id = excluded.run_id,
            address = excluded.address, epoch = excluded.epoch, beats = node.beats + 1,
            seen_at = excluded.seen_at, position = excluded.position,
            reported_at = excluded.reported_at";
    let client = lease.client();
    let statement = client.prepare_cached(statement).await?;
    let Place { run_id, address } = place;
    let position = stored(newest.position)?;
    client
        .execute(
            &statement,
            &[&node_id, run_id, address, &newest.epoch, &position],
        )
        .await?;
    Ok(())
}

/// Reports only how far this node has answered: its Redis is silent, and nobody has to wait for it.
pub(crate) async fn note_answered(
    lease: &Lease,
    node_id: Uuid,
    newest: &Newest,
) -> Result<(), Failure> {
    let statement = "
        UPDATE lastro_behind.nodes SET epoch = $2, position = $3, reported_at = now()
        WHERE node_id = $1";
    let client = lease.client();
    let statement = client.prepare_cached(statement).await?;
    let position = stored(newest.position)?;
    client
        .execute(&statement, &[&node_id, &newest.epoch, &position])
        .await?;
    Ok(())
}

/// Reports that this node goes on with no Redis, so that nobody has to wait for it, and how far it had
/// answered.
pub(crate) async fn leave(lease: &Lease, node_id: Uuid, newest: &Newest) -> Result<(), Failure> {
    note_answered(lease, node_id, newest).await?;
    let left = "UPDATE lastro_behind.nodes SET seen_at = '-infinity' WHERE node_id = $1";
    lease.client().execute(left, &[&node_id]).await?;
    Ok(())
}

/// Deletes the rows of nodes that have ended.
pub(crate) async fn forget(lease: &Lease, node_id: Uuid) -> Result<(), Failure> {
    let forgotten = format!(
        "DELETE FROM lastro_behind.nodes
        WHERE node_id <> $1 AND seen_at < now() - interval '{FORGOTTEN}'
            AND position <= (SELECT position FROM lastro_behind.ledger)"
    );
    lease.client().execute(&forgotten, &[&node_id]).await?;
    Ok(())
}

/// How old the newest report of any node is, where that is much older than it should be.
pub(crate) async fn report_age(lease: &Lease) -> Result<Option<Duration>, Failure> {
    let statement = "
        SELECT extract(epoch FROM clock_timestamp() - max(reported_at))::bigint AS age_s
        FROM lastro_behind.nodes";
    let age_s: Option<i64> = lease
        .client()
        .query_one(statement, &[])
        .await?
        .try_get("age_s")?;
    // A report of later than now is not an old one: the database's clock was set back.
    let age = age_s.and_then(|age_s| u64::try_from(age_s).ok());
    let age = age.map(Duration::from_secs);
    Ok(age.filter(|age| *age > REPORT_AGE_MAX))
}

/// The furthest position that another node has answered, of what the ledger did not go on without
/// already.
pub(crate) async fn answered(lease: &Lease, node_id: Uuid) -> Result<Option<Answered>, Failure> {
    let statement = "
        SELECT address, epoch, least(nodes.position, (
            SELECT min(later.began) FROM lastro_behind.epochs AS later
            WHERE later.number > epochs.number
        )) AS position
        FROM lastro_behind.nodes JOIN lastro_behind.epochs USING (epoch)
        WHERE node_id <> $1
        ORDER BY 3 DESC, epochs.number DESC LIMIT 1";
    let client = lease.client();
    let statement = client.prepare_cached(statement).await?;
    let row = client.query_opt(&statement, &[&node_id]).await?;
    row.map(|row| {
        let position: i64 = row.try_get("position")?;
        Ok(Answered {
            position: position.cast_unsigned(),
            epoch: row.try_get("epoch")?,
            address: row.try_get("address")?,
        })
    })
    .transpose()
}

/// Refuses while another node goes on with another Redis than this one.
///
/// # Errors
///
/// [`WriteBehindOpenError::Disagree`], which names the two.
pub(crate) async fn check(
    lease: &Lease,
    node_id: Uuid,
    here: &Place,
) -> Result<(), WriteBehindOpenError> {
    let mut watch = NodeWatch::default();
    let until = Instant::now() + WATCHED;
    let mut is_announced = false;
    loop {
        let others = others(lease, node_id, here).await?;
        if let Some(living) = others.iter().find(|other| watch.is_alive(other, here)) {
            return Err(elsewhere(here, &living.place));
        }
        // A node that goes on with no Redis has said so.
        if others.is_empty() || Instant::now() >= until {
            return Ok(());
        }
        if !std::mem::replace(&mut is_announced, true) {
            tracing::info!(
                "another node used another Redis a moment ago: waiting to see whether it still does"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What was seen of the other nodes while they are watched.
#[derive(Debug, Default)]
pub(crate) struct NodeWatch {
    /// The count of each when it was seen first.
    beats_first: HashMap<Uuid, i64>,
}

impl NodeWatch {
    /// Whether what is seen of this node now, after what was seen before, proves that it lives.
    ///
    /// One beat does. Of a node with a Redis at the same address two are needed: a single one may have
    /// been on its way while the Redis of both was started again, under another `run_id`.
    pub(crate) fn is_alive(&mut self, other: &Other, here: &Place) -> bool {
        let first = *self.beats_first.entry(other.node_id).or_insert(other.beats);
        let late_beats_max = i64::from(other.place.address == here.address);
        other.beats > first + late_beats_max
    }
}

/// Nodes that went on with another Redis a moment ago, under whichever epoch: a comparison that failed
/// has taken a newer one, and they may not have noticed it yet.
async fn others(lease: &Lease, node_id: Uuid, here: &Place) -> Result<Vec<Other>, Failure> {
    let statement = "
        SELECT node_id, run_id, address, beats
        FROM lastro_behind.nodes
        WHERE node_id <> $1 AND run_id <> $2 AND seen_at > now() - interval '1 minute'";
    let client = lease.client();
    let statement = client.prepare_cached(statement).await?;
    let rows = client.query(&statement, &[&node_id, &here.run_id]).await?;
    let others = rows.iter().map(|row| {
        Ok(Other {
            node_id: row.try_get("node_id")?,
            place: Place {
                run_id: row.try_get("run_id")?,
                address: row.try_get("address")?,
            },
            beats: row.try_get("beats")?,
        })
    });
    others.collect()
}

fn elsewhere(here: &Place, there: &Place) -> WriteBehindOpenError {
    WriteBehindOpenError::Disagree(format!(
        "TWO REDIS SERVERS: another node goes on with the Redis at {} (run_id {}), this node was \
         given the one at {} (run_id {}). Nothing is applied by this node: let its --redis-url \
         lead to the Redis of the other nodes, or stop those first and then start this one again",
        there.address, there.run_id, here.address, here.run_id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(run_id: &str, address: &str) -> Place {
        Place {
            run_id: run_id.to_owned(),
            address: address.to_owned(),
        }
    }

    /// Whether a node whose count is seen as these, one after the other, is proven to live.
    fn is_alive(address: &str, seen: &[i64]) -> bool {
        let here = place("here", "redis:6379");
        let mut watch = NodeWatch::default();
        let mut other = Other {
            node_id: Uuid::from_u128(1),
            place: place("there", address),
            beats: 0,
        };
        let mut seen = seen.iter().map(|beats| {
            other.beats = *beats;
            watch.is_alive(&other, &here)
        });
        seen.any(|is_alive| is_alive)
    }

    #[test]
    fn one_late_beat_over_the_same_address_proves_nothing_and_a_second_one_does() {
        assert!(!is_alive("redis:6379", &[7, 7, 7]));
        assert!(!is_alive("redis:6379", &[7, 8, 8, 8]));
        assert!(is_alive("redis:6379", &[7, 8, 9]));
        assert!(is_alive("redis:6379", &[7, 9]));
    }

    #[test]
    fn one_beat_over_another_address_is_proof() {
        assert!(!is_alive("elsewhere:6379", &[7, 7, 7]));
        assert!(is_alive("elsewhere:6379", &[7, 8]));
    }

    #[test]
    fn each_node_is_watched_by_its_own_count() {
        let here = place("here", "redis:6379");
        let mut watch = NodeWatch::default();
        for number in [1, 2] {
            let other = Other {
                node_id: Uuid::from_u128(number),
                place: place("there", "elsewhere:6379"),
                beats: i64::try_from(number).unwrap(),
            };
            assert!(!watch.is_alive(&other, &here));
        }
    }
}
