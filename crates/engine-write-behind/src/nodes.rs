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

use std::collections::HashMap;
use std::time::{Duration, Instant};

use engine_postgres::{Failure, Lease};
use uuid::Uuid;

use crate::error::WriteBehindOpenError;

/// How long a node that goes on with another Redis is watched before it is taken for dead: several
/// times as long as it takes to say that it lives.
const WATCHED: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(100);

/// Rows of nodes that ended without a word are of no use to anybody after this.
const FORGOTTEN: &str = "1 hour";

/// Part of what [`prepare`](crate::positions::prepare) makes.
pub(crate) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS lastro_behind.nodes (
        node_id uuid PRIMARY KEY,
        run_id text NOT NULL,
        address text NOT NULL,
        epoch text NOT NULL,
        beats bigint NOT NULL,
        seen_at timestamptz NOT NULL
    );";

/// A Redis, as a node finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What the running server calls itself: another one after each restart, and on each replica.
    pub(crate) run_id: String,
    /// Where it was found, without a password.
    pub(crate) address: String,
}

/// A node that goes on with another Redis.
struct Other {
    node_id: Uuid,
    place: Place,
    beats: i64,
}

/// Says that this node goes on with this Redis, under this epoch.
pub(crate) async fn beat(
    lease: &Lease,
    node_id: Uuid,
    place: &Place,
    epoch: &str,
) -> Result<(), Failure> {
    let statement = "
        INSERT INTO lastro_behind.nodes AS node
            (node_id, run_id, address, epoch, beats, seen_at)
        VALUES ($1, $2, $3, $4, 1, now())
        ON CONFLICT (node_id) DO UPDATE SET run_id = excluded.run_id,
            address = excluded.address, epoch = excluded.epoch, beats = node.beats + 1,
            seen_at = excluded.seen_at";
    let client = lease.client();
    let statement = client.prepare_cached(statement).await?;
    let Place { run_id, address } = place;
    client
        .execute(&statement, &[&node_id, run_id, address, &epoch])
        .await?;
    Ok(())
}

/// This node goes on with none: nobody has to wait for it.
pub(crate) async fn leave(lease: &Lease, node_id: Uuid) -> Result<(), Failure> {
    let statement = format!(
        "DELETE FROM lastro_behind.nodes
        WHERE node_id = $1 OR seen_at < now() - interval '{FORGOTTEN}'"
    );
    lease.client().execute(&statement, &[&node_id]).await?;
    Ok(())
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
    let mut first_seen: HashMap<Uuid, i64> = HashMap::new();
    let until = Instant::now() + WATCHED;
    let mut has_said = false;
    loop {
        let others = others(lease, node_id, here).await?;
        for other in &others {
            let first = *first_seen.entry(other.node_id).or_insert(other.beats);
            // A single one may have been on its way while the Redis of both was started again.
            let lives_after = first + i64::from(other.place.address == here.address);
            if other.beats > lives_after {
                return Err(elsewhere(here, &other.place));
            }
        }
        // Whoever ended has taken its row away.
        if others.is_empty() || Instant::now() >= until {
            return Ok(());
        }
        if !std::mem::replace(&mut has_said, true) {
            tracing::info!(
                "another node went on with another Redis a moment ago: watching whether it still does"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn others(lease: &Lease, node_id: Uuid, here: &Place) -> Result<Vec<Other>, Failure> {
    let statement = "
        SELECT node_id, run_id, address, beats
        FROM lastro_behind.nodes JOIN lastro_behind.ledger USING (epoch)
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
