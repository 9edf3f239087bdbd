//! How Redis is reached: database numbers, TLS, the least that a user has to be allowed.

use std::path::PathBuf;

use engine_write_behind::{WriteBehindEngine, WriteBehindOpenError, WriteBehindOptions, verify};
use ledger::Engine;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use testkit::bank::{accounts, in_seconds, open_accounts};
use testkit::servers::{Postgres, Redis, ServerOptions};

use crate::subject::{open_with, redis};
use crate::support::{try_one, wait_until_persisted, wait_until_quiet};

async fn refused(redis_url: &str, database_url: &str, options: WriteBehindOptions) -> String {
    match WriteBehindEngine::open(redis_url, database_url, options).await {
        Ok(_) => panic!("it opened"),
        Err(error) => with_causes(&error),
    }
}

fn with_causes(error: &WriteBehindOpenError) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said
}

#[test]
fn two_ledgers_under_two_numbers_of_one_redis_leave_each_other_alone() {
    let (postgres, mut redis) = (Postgres::start().unwrap(), redis());
    let other_url = postgres.create_database("other").unwrap();
    let urls = [
        format!("{}/0", redis.url()),
        format!("{}?db=7", redis.url()),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = WriteBehindOptions::default;
        let (one, _) = open_with(&urls[0], &postgres.url(), options()).await;
        open_accounts(&one).await;
        let (other, _) = open_with(&urls[1], &other_url, options()).await;
        open_accounts(&other).await;
        let epoch_of = |database: &str| {
            postgres
                .psql_in(database, "SELECT epoch FROM lastro_behind.ledger")
                .unwrap()
        };
        let epochs = [epoch_of("postgres"), epoch_of("other")];
        assert_ne!(epochs[0], epochs[1]);
        for number in 1..=50 {
            assert_eq!(try_one(&one, number).await, Ok(()));
            assert_eq!(try_one(&other, number).await, Ok(()));
        }
        // Nobody had to compare the stores again meanwhile.
        assert_eq!([epoch_of("postgres"), epoch_of("other")], epochs);
        // Both come back after a restart.
        wait_until_persisted(&one).await;
        wait_until_persisted(&other).await;
        redis.kill();
        redis.restart().unwrap();
        for engine in [&one, &other] {
            let id = accounts().remove(0);
            let read = engine.account(id, in_seconds(20)).await.unwrap();
            assert!(read.is_some());
        }
        assert_eq!(try_one(&one, 51).await, Ok(()));
        assert_eq!(try_one(&other, 51).await, Ok(()));
        wait_until_persisted(&one).await;
        wait_until_persisted(&other).await;
        for (url, database_url) in [(&urls[0], postgres.url()), (&urls[1], other_url)] {
            let verified = verify(url, &database_url, &options()).await.unwrap();
            assert_eq!(verified.findings, Vec::<String>::new());
        }
    });
}

/// An authority in a file, and a server's certificate that it signed, with its key.
struct Certified {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn certify(folder: &std::path::Path, name: &str) -> Certified {
    let write = |what: &str, text: String| {
        let path = folder.join(format!("{name}-{what}.pem"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = write("authority", params.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    Certified {
        authority,
        certificate: write("server", params.signed_by(&key, &issuer).unwrap().pem()),
        key: write("key", key.serialize_pem()),
    }
}

#[test]
fn over_tls_redis_is_who_its_certificate_says() {
    let postgres = Postgres::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (
        certify(folder.path(), "own"),
        certify(folder.path(), "other"),
    );
    let redis = redis();
    let set = |name: &str, value: &str| {
        redis.command(&["CONFIG", "SET", name, value]).unwrap();
    };
    // Free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tls_port = listener.local_addr().unwrap().port();
    drop(listener);
    let path = |path: &PathBuf| path.display().to_string();
    set("tls-cert-file", &path(&own.certificate));
    set("tls-key-file", &path(&own.key));
    set("tls-ca-cert-file", &path(&own.authority));
    set("tls-auth-clients", "no");
    set("tls-port", &tls_port.to_string());
    let url = format!("rediss://127.0.0.1:{tls_port}/2");
    let with = |authority: Option<&PathBuf>| WriteBehindOptions {
        redis_authority: authority.cloned(),
        ..WriteBehindOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // Nobody whom this machine trusts has signed it, nor has the other authority.
        for authority in [None, Some(&other.authority)] {
            let said = refused(&url, &postgres.url(), with(authority)).await;
            assert!(said.contains("certificate"), "{said}");
        }
        let trusted = with(Some(&own.authority));
        let (engine, _) = open_with(&url, &postgres.url(), trusted.clone()).await;
        open_accounts(&engine).await;
        assert_eq!(try_one(&engine, 1).await, Ok(()));
        wait_until_persisted(&engine).await;
        let verified = verify(&url, &postgres.url(), &trusted).await.unwrap();
        assert_eq!(verified.findings, Vec::<String>::new());
    });
}

/// What docs/write-behind-format.md says has to be allowed, word by word.
fn documented() -> Vec<String> {
    let page = include_str!("../../../../docs/write-behind-format.md");
    let line = page
        .lines()
        .find(|line| line.starts_with("ACL SETUSER lastro"));
    let words = line.unwrap().split_whitespace().map(str::to_owned);
    words.collect()
}

#[test]
fn a_user_needs_what_is_documented_and_nothing_more() {
    let (postgres, redis) = (Postgres::start().unwrap(), redis());
    let words = documented();
    let allow = |redis: &Redis, words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        redis.command(&["ACL", "DELUSER", "lastro"]).unwrap();
        redis.command(&words).unwrap();
    };
    let url = format!("redis://lastro:secret@127.0.0.1:{}/3", redis.port());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // Whatever is missing is found at the start, and named.
        let is_command = |word: &&String| word.starts_with('+');
        for missing in words.iter().filter(is_command) {
            let rest: Vec<String> = words.iter().filter(|it| *it != missing).cloned().collect();
            allow(&redis, &rest);
            let said = refused(&url, &postgres.url(), WriteBehindOptions::default()).await;
            let name = missing[1..].split('|').next().unwrap();
            assert!(said.to_lowercase().contains(name), "{missing}: {said}");
        }
        allow(&redis, &words);
        let (engine, _) = open_with(&url, &postgres.url(), WriteBehindOptions::default()).await;
        open_accounts(&engine).await;
        let nodes = [std::sync::Arc::new(engine)];
        let load = crate::load::Load::start(&nodes, 0);
        load.wait_for_more(200).await;
        let told = load.stop().await;
        wait_until_quiet(&nodes[0]).await;
        // A rebuild, too.
        redis.command(&["FLUSHALL"]).unwrap();
        let load = crate::load::Load::start(&nodes, 1);
        load.wait_for_more(200).await;
        let told = told.join(load.stop().await);
        wait_until_persisted(&nodes[0]).await;
        assert!(told.answered_count() > 0);
        let verified = verify(&url, &postgres.url(), &WriteBehindOptions::default())
            .await
            .unwrap();
        assert_eq!(verified.findings, Vec::<String>::new());
    });
}

#[test]
fn a_cluster_and_renamed_commands_are_refused_by_name() {
    let postgres = Postgres::start().unwrap();
    let start = |more: &[(&str, &str)]| {
        let settings = [("appendonly", "yes"), ("appendfsync", "always")];
        let settings = [&settings[..], more].concat();
        Redis::start_with(&ServerOptions::with_settings(&settings)).unwrap()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let refused = async |redis: &Redis| {
            refused(&redis.url(), &postgres.url(), WriteBehindOptions::default()).await
        };
        let said = refused(&start(&[("cluster-enabled", "yes")])).await;
        assert!(said.contains("cluster mode"), "{said}");
        let folder = tempfile::tempdir().unwrap();
        for name in ["MSET", "EXPIRE", "CONFIG"] {
            let file = folder.path().join(name);
            std::fs::write(&file, format!("rename-command {name} hidden\n")).unwrap();
            let said = refused(&start(&[("include", &file.display().to_string())])).await;
            assert!(said.contains(name), "{said}");
        }
    });
}
