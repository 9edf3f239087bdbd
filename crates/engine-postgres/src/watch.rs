//! Looking at the hosts of the URL that are not in use, every [`INTERVAL`], over one connection each: so a node
//! learns of a promotion though the server that it uses still answers, or is silent.

use std::time::Duration;

use futures_util::future::join_all;
use stdx::ErrorChain;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::error::ConnectError;
use crate::lease::Pool;
use crate::primary::{COLUMNS, Origin};

/// How long between two looks at a host.
const INTERVAL: Duration = Duration::from_millis(500);

/// Looks at the hosts that are not in use, for ever; at once at an end where there is only one.
pub(crate) async fn watch(pool: Pool) {
    let count = pool.manager().hosts_count();
    if count > 1 {
        join_all((0..count).map(|index| watch_host(&pool, index))).await;
    }
}

async fn watch_host(pool: &Pool, index: usize) {
    let connector = pool.manager();
    let mut kept = None;
    loop {
        tokio::time::sleep(INTERVAL).await;
        if connector.is_used(index) {
            kept = None;
            continue;
        }
        let looked = async {
            let client = match kept.take() {
                Some(client) => client,
                None => connector.connect_to_look(index).await?,
            };
            let origin = ask(&client).await?;
            kept = Some(client);
            Ok::<_, ConnectError>(origin)
        };
        match tokio::time::timeout(connector.bound(), looked).await {
            Ok(Ok(Some(origin))) => connector.found(index, origin),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = %ErrorChain(&error), "a host that is not in use does not answer");
            }
            Err(_) => tracing::debug!("a host that is not in use is silent"),
        }
    }
}

async fn ask(client: &Client) -> Result<Option<Origin>, ConnectError> {
    let said = client.simple_query(&format!("SELECT {COLUMNS}")).await?;
    let row = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    match row {
        Some(row) => Origin::of(row, 0),
        None => Ok(None),
    }
}
