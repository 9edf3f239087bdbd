//! A month of a marketplace, in Python over HTTP, on each engine: whatever is repeated on the way, the books come to the
//! same.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::LastroProcess;
use testkit::servers::{Postgres, Redis, ServerOptions};

use crate::clients::python;
use crate::support::{assert_clean, binary, folder, write_private};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/story/marketplace.py");

/// Plays the month over a server with these arguments, and returns the balances at its end.
fn month(arguments: &[&str], without: &str, seed: u64) -> Value {
    let site = folder();
    let mut story = python()
        .arg(SCRIPT)
        .env("LASTRO_SEED", seed.to_string())
        .env("LASTRO_WEBHOOK_SECRET", SECRET)
        .env("LASTRO_WITHOUT", without)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(story.stdout.take().unwrap()).lines();
    let receiver = lines.next().expect("the receiver's address").unwrap();

    let secret = site.path().join("secret");
    write_private(&secret, SECRET);
    let config = site.path().join("lastro.toml");
    let text = format!(
        "[webhooks.story]\nurl = '{receiver}'\nallow_private = true\nfrom = 'beginning'\nsecret_files = ['{}']\n",
        secret.display()
    );
    std::fs::write(&config, text).unwrap();
    let own = ["--config", config.to_str().unwrap()];
    let data = site.path().join("data");
    let server = LastroProcess::serve(&binary(), &data, &[&own, arguments].concat()).unwrap();

    let mut stdin = story.stdin.take().unwrap();
    writeln!(stdin, "{}", server.url()).unwrap();
    drop(stdin);
    let balances = lines.next().map(Result::unwrap);
    let mut said = String::new();
    story
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        story.wait().unwrap().success(),
        "LASTRO_SEED={seed}\n{said}"
    );
    assert!(server.stop().unwrap().success());
    if data.exists() {
        assert_clean(&data);
    }
    serde_json::from_str(&balances.expect("the books")).unwrap()
}

/// The database alone is whole.
fn verify(url: &str) {
    let verified = Command::new(binary())
        .args(["verify", "--database-url", url])
        .output();
    let verified = verified.unwrap();
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success() && said.contains("clean"),
        "{said}"
    );
}

#[test]
fn a_month_of_a_marketplace_comes_to_the_same_books_on_every_engine() {
    let seed: u64 = match std::env::var("LASTRO_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random_range(0..1 << 32),
    };
    let embedded = month(&[], "", seed);

    let postgres = Postgres::start().unwrap();
    let url = postgres.create_database("month").unwrap();
    let over_postgres = month(&["--engine", "postgres", "--database-url", &url], "", seed);
    assert_eq!(over_postgres, embedded, "LASTRO_SEED={seed}");
    verify(&url);

    let settings = [("appendonly", "yes"), ("appendfsync", "always")];
    let redis = Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap();
    let (redis_url, url) = (redis.url(), postgres.create_database("behind").unwrap());
    let mut arguments = vec!["--engine", "write-behind", "--redis-url", &redis_url];
    arguments.extend(["--database-url", &url]);
    let over_redis = month(&arguments, "parts,reversals,lists", seed);
    assert_eq!(over_redis, embedded, "LASTRO_SEED={seed}");
}
