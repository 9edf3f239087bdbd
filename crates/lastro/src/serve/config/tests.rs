//! The configuration as it is resolved.

use super::*;

fn options() -> Options {
    Options {
        demo: false,
        listen: None,
        host: Vec::new(),
        metrics_listen: None,
        data_dir: None,
        durability: None,
        engine: None,
        database_url: None,
        database: DatabaseSettings::default(),
        clock: ClockOptions::default(),
        redis_url: None,
        redis_ca: None,
        accept_data_loss: false,
        outbox_bytes_max: None,
        no_migrate: false,
        role: None,
        grpc_listen: None,
        ledger: None,
        tls: TlsOptions::default(),
        processor: Vec::new(),
        enable_purge: false,
        insecure: false,
        // What most tests ask about is something else.
        plaintext: true,
        config: None,
    }
}

#[test]
fn the_defaults_are_loopback_and_durable() {
    let config = Config::resolve(options()).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:9999");
    assert_eq!(config.metrics_listen.unwrap().to_string(), "127.0.0.1:9990");
    assert_eq!(config.durability, Durability::Disk);
    assert!(!config.insecure && !config.demo);
}

#[test]
fn a_flag_goes_before_the_file() {
    let file = "listen = '127.0.0.1:1'\nmetrics_listen = 'none'\ndurability = 'os'\n";
    let flags = Options {
        listen: Some("127.0.0.1:2".to_owned()),
        ..options()
    };
    let config = Config::merge(flags, toml::from_str(file).unwrap()).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:2");
    assert_eq!(
        (config.metrics_listen, config.durability),
        (None, Durability::Os)
    );
}

#[test]
fn other_machines_are_let_in_only_by_name() {
    for (listen, metrics_listen) in [("0.0.0.0:1", "none"), ("127.0.0.1:1", "[::]:2")] {
        let asked = |insecure| Options {
            listen: Some(listen.to_owned()),
            metrics_listen: Some(metrics_listen.to_owned()),
            insecure,
            ..options()
        };
        assert!(
            Config::resolve(asked(false)).is_err(),
            "{listen} {metrics_listen}"
        );
        assert!(
            Config::resolve(asked(true)).is_ok(),
            "{listen} {metrics_listen}"
        );
    }
}

#[test]
fn hosts_are_checked_unless_that_is_pointless() {
    let asked = |listen: &str, insecure| {
        let asked = Options {
            listen: Some(listen.to_owned()),
            insecure,
            ..options()
        };
        let file = toml::from_str("host = ['bank.example']").unwrap();
        Config::merge(asked, file).unwrap().hosts()
    };
    let named = Hosts::local_and(vec!["bank.example".to_owned()]);
    assert_eq!(asked("127.0.0.1:1", false), named);
    assert_eq!(asked("127.0.0.1:1", true), Hosts::any());
    // A proxy may stand before the socket.
    assert_eq!(asked("unix:/run/x", false), named);
}

#[test]
fn an_engine_and_a_database_go_together() {
    let url = "postgres://me:secret@db:5432/bank";
    let asked = |engine: &str, url: Option<&str>| {
        Config::resolve(Options {
            engine: Some(engine.to_owned()),
            database_url: url.map(str::to_owned),
            ..options()
        })
    };
    let config = asked("postgres", Some(url)).unwrap();
    let printed = config.to_string();
    assert!(printed.contains("db:5432/bank") && !printed.contains("secret"));
    for (engine, url) in [
        ("postgres", None),
        ("embedded", Some(url)),
        ("x", Some(url)),
    ] {
        assert!(asked(engine, url).is_err(), "{engine} {url:?}");
    }
}

#[test]
fn mistakes_in_the_file_are_named() {
    let error = toml::from_str::<File>("listne = 'x'").err().unwrap();
    assert!(error.to_string().contains("listne"), "{error}");
    let bad = Options {
        durability: Some("usually".to_owned()),
        ..options()
    };
    assert!(Config::resolve(bad).is_err());
}

fn refused(options: Options) -> String {
    let error = Config::resolve(options).err().unwrap();
    format!("{error:#}")
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn an_api_node_has_its_ledger_elsewhere() {
    let api = || Options {
        role: some("api"),
        ledger: some("127.0.0.1:9980"),
        ..options()
    };
    let config = Config::resolve(api()).unwrap();
    assert!(matches!(
        config.engine,
        EngineConfig::Remote { tls: None, .. }
    ));
    assert!(
        config
            .to_string()
            .contains("ledger          127.0.0.1:9980")
    );
    let database = Options {
        role: some("api"),
        engine: some("postgres"),
        database_url: some("postgres://me@db/bank"),
        ..options()
    };
    assert!(Config::resolve(database).is_ok());
    let alone = Options {
        ledger: None,
        ..api()
    };
    assert!(refused(alone).contains("name its ledger node with --ledger"));
    let both = Options {
        engine: some("embedded"),
        ..api()
    };
    assert!(refused(both).contains("exclude each other"));
    let grpc = Options {
        grpc_listen: some("127.0.0.1:1"),
        ..api()
    };
    assert!(refused(grpc).contains("an API node serves HTTP"));
    let all = Options {
        role: None,
        ..api()
    };
    assert!(refused(all).contains("--ledger is for --role api"));
    let bad = Options {
        ledger: some("http://x"),
        ..api()
    };
    assert!(refused(bad).contains("--ledger"));
}

#[test]
fn a_ledger_node_is_reached_over_grpc() {
    let node = |grpc_listen: Option<&str>| Options {
        role: some("ledger"),
        grpc_listen: grpc_listen.map(str::to_owned),
        ..options()
    };
    let config = Config::resolve(node(Some("unix:ledger.sock"))).unwrap();
    assert_eq!(config.role, Role::Ledger);
    assert!(
        config
            .to_string()
            .contains("grpc_listen     unix:ledger.sock")
    );
    assert!(refused(node(None)).contains("needs --grpc-listen"));
    let unknown = Options {
        role: some("queen"),
        ..options()
    };
    assert!(refused(unknown).contains("queen"));
    let everything = Options {
        grpc_listen: some("127.0.0.1:1"),
        ..options()
    };
    assert_eq!(Config::resolve(everything).unwrap().role, Role::All);
}

#[test]
fn grpc_goes_beyond_loopback_with_certificates_or_by_name() {
    let node = || Options {
        role: some("ledger"),
        grpc_listen: some("0.0.0.0:9980"),
        ..options()
    };
    assert!(refused(node()).contains("--tls-client-ca"));
    let insecure = Options {
        insecure: true,
        ..node()
    };
    assert!(Config::resolve(insecure).is_ok());
    let tls = |client_ca: Option<&str>| TlsOptions {
        tls_cert: Some("node.pem".into()),
        tls_key: Some("node.key".into()),
        tls_client_ca: client_ca.map(Into::into),
        ..TlsOptions::default()
    };
    let known = Options {
        tls: tls(Some("ca.pem")),
        ..node()
    };
    let config = Config::resolve(known).unwrap();
    assert!(config.to_string().contains("callers show a certificate"));
    let anyone = Options {
        tls: tls(None),
        ..node()
    };
    assert!(refused(anyone).contains("--tls-client-ca"));
}

#[test]
fn certificates_and_keys_go_together() {
    let node = |tls| Options {
        role: some("ledger"),
        grpc_listen: some("127.0.0.1:9980"),
        tls,
        ..options()
    };
    let alone = TlsOptions {
        tls_cert: Some("node.pem".into()),
        ..TlsOptions::default()
    };
    assert!(refused(node(alone)).contains("--tls-key"));
    let ca_alone = TlsOptions {
        tls_client_ca: Some("ca.pem".into()),
        ..TlsOptions::default()
    };
    assert!(refused(node(ca_alone)).contains("--tls-cert"));
    let of_ledger = TlsOptions {
        ledger_tls_ca: Some("ca.pem".into()),
        ..TlsOptions::default()
    };
    assert!(refused(node(of_ledger.clone())).contains("--ledger-tls-ca is for --ledger"));
    let api = |tls| Options {
        role: some("api"),
        ledger: some("ledger.example:9980"),
        tls,
        ..options()
    };
    assert!(Config::resolve(api(of_ledger)).is_ok());
    let no_ca = TlsOptions {
        ledger_tls_cert: Some("me.pem".into()),
        ledger_tls_key: Some("me.key".into()),
        ..TlsOptions::default()
    };
    assert!(refused(api(no_ca)).contains("--ledger-tls-ca"));
}

#[test]
fn a_redis_and_a_database_go_together() {
    let database_url = Some("postgres://me:secret@db:5432/bank");
    let redis_url = Some("rediss://:hidden@cache:6379");
    let asked = |engine: &str, database_url: Option<&str>, redis_url: Option<&str>| {
        Config::resolve(Options {
            engine: Some(engine.to_owned()),
            database_url: database_url.map(str::to_owned),
            redis_url: redis_url.map(str::to_owned),
            ..options()
        })
    };
    let printed = asked("write-behind", database_url, redis_url).unwrap();
    let printed = printed.to_string();
    assert!(printed.contains("cache:6379") && printed.contains("db:5432/bank"));
    assert!(!printed.contains("hidden") && !printed.contains("secret"));
    for (engine, database_url, redis_url) in [
        ("write-behind", database_url, None),
        ("write-behind", None, redis_url),
        ("write-behind", database_url, Some("nowhere")),
        ("postgres", database_url, redis_url),
        ("embedded", None, redis_url),
    ] {
        let both = asked(engine, database_url, redis_url);
        assert!(both.is_err(), "{engine} {database_url:?} {redis_url:?}");
    }
}

#[test]
fn nothing_leaves_for_a_redis_unencrypted_unless_it_is_said() {
    let asked = |url: &str, insecure: bool, redis_ca: Option<&str>| {
        Config::resolve(Options {
            engine: Some("write-behind".to_owned()),
            database_url: Some("postgres://me:secret@localhost/bank".to_owned()),
            redis_url: Some(url.to_owned()),
            redis_ca: redis_ca.map(Into::into),
            insecure,
            ..options()
        })
    };
    for url in [
        "redis://127.0.0.1:6379",
        "redis://localhost",
        "rediss://cache",
    ] {
        assert!(asked(url, false, None).is_ok(), "{url}");
    }
    assert!(asked("rediss://cache", false, Some("ca.pem")).is_ok());
    let error = asked("redis://cache", false, None).unwrap_err().to_string();
    assert!(error.contains("rediss://") && error.contains("--insecure"));
    assert!(asked("redis://cache", true, None).is_ok());
    let error = asked("redis://localhost", false, Some("ca.pem")).unwrap_err();
    assert!(error.to_string().contains("--redis-ca"));
    let error = asked("redis://localhost?timeout=3", false, None).unwrap_err();
    assert!(format!("{error:#}").contains("`timeout`"));
}

#[test]
fn an_outbox_lies_beside_the_ledger_and_can_be_left_out() {
    let outbox = |options| Config::resolve(options).unwrap().outbox();
    let alone = outbox(options()).unwrap();
    assert_eq!(alone.directory, Path::new("lastro-data/outbox"));
    assert_eq!((alone.bytes_max, alone.decides_readiness), (1 << 30, false));
    let none = Options {
        outbox_bytes_max: Some(0),
        ..options()
    };
    assert_eq!(outbox(none), None);
    let database = |outbox_bytes_max| Options {
        engine: Some("postgres".to_owned()),
        database_url: Some("postgres://db/bank".to_owned()),
        outbox_bytes_max,
        ..options()
    };
    assert_eq!(
        outbox(database(None)),
        None,
        "nodes may share a folder there"
    );
    assert_eq!(outbox(database(Some(4 << 20))).unwrap().bytes_max, 4 << 20);
    let role = |role: &str| Options {
        role: Some(role.to_owned()),
        ..options()
    };
    let api = Options {
        ledger: Some("127.0.0.1:1".to_owned()),
        ..role("api")
    };
    assert!(outbox(api).unwrap().decides_readiness);
    let ledger = |outbox_bytes_max| Options {
        grpc_listen: Some("127.0.0.1:1".to_owned()),
        outbox_bytes_max,
        ..role("ledger")
    };
    assert_eq!(outbox(ledger(None)), None);
    assert!(Config::resolve(ledger(Some(4 << 20))).is_err());
}

#[test]
fn payments_are_dispatched_where_the_ledger_is() {
    let asked = |role: &str| {
        let node = Options {
            role: Some(role.to_owned()),
            ledger: (role == "api").then(|| "127.0.0.1:1".to_owned()),
            grpc_listen: (role == "ledger").then(|| "127.0.0.1:2".to_owned()),
            processor: vec!["default=http://127.0.0.1:3".to_owned()],
            ..options()
        };
        Config::resolve(node)
    };
    assert!(asked("all").unwrap().payments.is_some());
    assert!(asked("ledger").unwrap().payments.is_some());
    let error = asked("api").unwrap_err().to_string();
    assert!(error.contains("--processor"), "{error}");
}

#[test]
fn nothing_leaves_unencrypted_beyond_loopback_unasked() {
    type Asked = fn() -> Options;
    let refused: [(Asked, &str); 7] = [
        (|| api("ledger.example:1"), "--ledger-tls-ca"),
        (|| api("10.0.0.1:1"), "--ledger-tls-ca"),
        (
            || database("postgres", "postgres://u:s3cret@db/x"),
            "--database-ca",
        ),
        (
            || database("postgres", "postgres://u:s3cret@127.0.0.1,db/x"),
            "--database-ca",
        ),
        (
            || database("postgres", "host=10.0.0.1 password=s3cret"),
            "--database-ca",
        ),
        (
            || database("write-behind", "postgres://u:s3cret@db/x"),
            "--database-ca",
        ),
        (|| processor("http://pay.example"), "loopback"),
    ];
    for (options, way_out) in refused {
        let error = Config::resolve(options()).unwrap_err().to_string();
        assert!(error.contains("--plaintext"), "{error}");
        assert!(error.contains(way_out), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        let plaintext = Options {
            plaintext: true,
            ..options()
        };
        let insecure = Options {
            insecure: true,
            ..options()
        };
        for asked in [plaintext, insecure] {
            assert!(Config::resolve(asked).is_ok(), "{error}");
        }
    }
    let admitted: [Asked; 9] = [
        || api("localhost:1"),
        || api("127.0.0.1:1"),
        || api("[::1]:1"),
        || api("unix:ledger.sock"),
        || database("postgres", "postgres://u@127.0.0.1/x"),
        || database("postgres", "postgres://u@%2Frun%2Fpostgresql/x"),
        || database("postgres", "postgres://u@db/x?sslmode=require"),
        || {
            database(
                "postgres",
                "postgres://u@db/x?sslmode=verify-full&sslrootcert=ca.pem",
            )
        },
        || processor("http://[::1]:8001"),
    ];
    for options in admitted {
        let resolved = Config::resolve(options());
        assert!(resolved.is_ok(), "{:#}", resolved.unwrap_err());
    }
}

fn api(ledger: &str) -> Options {
    Options {
        role: Some("api".to_owned()),
        ledger: Some(ledger.to_owned()),
        plaintext: false,
        ..options()
    }
}

fn database(engine: &str, url: &str) -> Options {
    Options {
        engine: Some(engine.to_owned()),
        database_url: Some(url.to_owned()),
        redis_url: (engine == "write-behind").then(|| "redis://127.0.0.1".to_owned()),
        plaintext: false,
        ..options()
    }
}

fn processor(url: &str) -> Options {
    Options {
        processor: vec![format!("other={url}")],
        plaintext: false,
        ..options()
    }
}

#[test]
fn the_bounds_of_the_clock_are_printed_and_a_loss_is_accepted_over_write_behind_only() {
    let flags = Options {
        engine: Some("write-behind".to_owned()),
        redis_url: Some("redis://127.0.0.1".to_owned()),
        database_url: Some("postgres://127.0.0.1/lastro".to_owned()),
        accept_data_loss: true,
        ..options()
    };
    let file = toml::from_str("clock_jump_max_s = 77\n").unwrap();
    let shown = Config::merge(flags, file).unwrap().to_string();
    for line in [
        "clock           may jump 77 s, that of Redis\n",
        "data loss       accepted at this start (--accept-data-loss)\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let flags = Options {
        accept_data_loss: true,
        ..options()
    };
    let error = Config::resolve(flags).unwrap_err();
    assert!(error.to_string().contains("is for --engine write-behind"));
}
