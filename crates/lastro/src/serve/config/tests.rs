//! The configuration as it is resolved.

use std::path::Path;

use clap::{Args, Command, FromArgMatches};

use super::*;

/// The options of a command line.
fn options(arguments: &[&str]) -> ServeOptions {
    let command = ServeOptions::augment_args(Command::new("serve"));
    let all = std::iter::once("serve").chain(arguments.iter().copied());
    ServeOptions::from_arg_matches(&command.get_matches_from(all)).unwrap()
}

fn resolved(arguments: &[&str]) -> Config {
    Config::resolve(options(arguments)).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let error = Config::resolve(options(arguments)).unwrap_err();
    format!("{error:#}")
}

fn of_file(arguments: &[&str], file: &str) -> anyhow::Result<Config> {
    let file = FileSettings::read(file).unwrap();
    Config::of_layers(options(arguments), file)
}

fn with_file(arguments: &[&str], file: &str) -> Config {
    of_file(arguments, file).unwrap()
}

#[test]
fn the_defaults_are_loopback_and_durable() {
    let config = resolved(&[]);
    assert_eq!(config.listen.to_string(), "127.0.0.1:9999");
    assert_eq!(config.metrics_listen.unwrap().to_string(), "127.0.0.1:9990");
    assert_eq!(config.durability, Durability::Disk);
    assert!(!config.listen_public && !config.metrics_public && !config.plaintext && !config.demo);
}

#[test]
fn the_defaults_of_the_settings_are_those_of_the_engines() {
    let bounds = resolved(&[]).clock;
    assert_eq!(bounds, ClockBounds::default());
    let url = "postgres://127.0.0.1/bank";
    let EngineConfig::Postgres { options, .. } =
        resolved(&["--engine", "postgres", "--database-url", url]).engine
    else {
        panic!("another engine");
    };
    let expected = engine_postgres::PostgresOptions {
        // Only a demo begins a ledger.
        beginning: engine_postgres::Beginning::Refused,
        ..engine_postgres::PostgresOptions::default()
    };
    assert_eq!(options, expected);
}

#[test]
fn a_flag_goes_before_the_file() {
    let file = "listen = '127.0.0.1:1'\nmetrics_listen = 'none'\ndurability = 'os'\n\
        database_calls = 3\ndemo = true\ntls_key = 'node.key'";
    let asked = ["--listen", "127.0.0.1:2", "--engine", "postgres"];
    let database = [
        "--database-url",
        "postgres://127.0.0.1/bank",
        "--tls-cert",
        "node.pem",
    ];
    let grpc = ["--grpc-listen", "127.0.0.1:3"];
    let config = with_file(&[&asked[..], &database, &grpc].concat(), file);
    assert_eq!(config.listen.to_string(), "127.0.0.1:2");
    assert_eq!(
        (config.metrics_listen, config.durability),
        (None, Durability::Os)
    );
    assert!(config.demo && config.tls.grpc.is_some());
    let EngineConfig::Postgres { options, .. } = config.engine else {
        panic!("another engine");
    };
    assert_eq!(options.calls_max, 3);
}

#[test]
fn each_setting_has_a_flag_a_variable_and_a_key_of_one_name() {
    let command = ServeOptions::augment_args(Command::new("serve"));
    let keys = crate::serve::settings::ServeSettings::keys();
    for key in &keys {
        let flag = command.get_arguments().find(|flag| flag.get_id() == key);
        let flag = flag.unwrap_or_else(|| panic!("{key} has no flag"));
        assert_eq!(flag.get_long(), Some(&*key.replace('_', "-")));
        let variable = format!("LASTRO_{}", key.to_uppercase());
        assert_eq!(flag.get_env(), Some(variable.as_ref()));
    }
    let flags_alone: Vec<_> = command
        .get_arguments()
        .map(|flag| flag.get_id().as_str())
        .filter(|flag| !keys.contains(flag))
        .collect();
    let expected = ["accept_clock", "accept_data_loss", "processor", "config"];
    assert_eq!(flags_alone, expected);
    let without_heading = command
        .get_arguments()
        .find(|flag| flag.get_help_heading().is_none());
    assert!(without_heading.is_none(), "{without_heading:?}");
}

#[test]
fn other_machines_are_admitted_only_by_name() {
    for (listen, metrics_listen, open, face, allowed, other) in [
        (
            "0.0.0.0:1",
            "none",
            "0.0.0.0:1",
            "http",
            "--listen-public",
            "--metrics-public",
        ),
        (
            "127.0.0.1:1",
            "[::]:2",
            "[::]:2",
            "metrics",
            "--metrics-public",
            "--listen-public",
        ),
    ] {
        let asked = ["--listen", listen, "--metrics-listen", metrics_listen];
        let expected = format!(
            "{open} can be reached from other machines, and callers there are not identified: listen on \
             loopback, ask for keys with --keys, admit only callers with a certificate (--{face}-tls-client-ca), \
             or allow it with {allowed}"
        );
        assert_eq!(refused(&asked), expected);
        assert_eq!(refused(&[&asked[..], &[other]].concat()), expected);
        resolved(&[&asked[..], &[allowed]].concat());
        let keyed = [&asked[..], &["--keys", "keys.json"]].concat();
        let warnings = resolved(&keyed).warnings;
        let in_clear = format!(
            "{open} can be reached from other machines without TLS: keys can be read on their way. Give \
             --{face}-tls-cert and --{face}-tls-key, or listen on loopback behind a proxy with TLS"
        );
        assert_eq!(warnings, [in_clear]);
        let half_open = [&keyed[..], &["--open-challenge"]].concat();
        match face {
            "http" => assert_eq!(refused(&half_open), expected),
            _ => assert_eq!(resolved(&half_open).warnings, warnings),
        }
        let [cert, key, client_ca] =
            ["cert", "key", "client-ca"].map(|end| format!("--{face}-tls-{end}"));
        let encrypted = [&asked[..], &[&cert, "face.pem", &key, "face.key"]].concat();
        assert_eq!(refused(&encrypted), expected, "encrypted is not identified");
        resolved(&[&encrypted[..], &[&client_ca, "ca.pem"]].concat());
    }
}

#[test]
fn what_has_taken_the_place_of_insecure_is_named() {
    for refused in [
        refused(&["--insecure"]),
        format!("{:#}", of_file(&[], "insecure = true").unwrap_err()),
    ] {
        for flag in [
            "--listen-public",
            "--metrics-public",
            "--host '*'",
            "--plaintext",
        ] {
            assert!(refused.contains(flag), "{refused}");
        }
    }
}

#[test]
fn hosts_are_checked_unless_any_is_asked_for() {
    let asked = |arguments: &[&str]| with_file(arguments, "host = ['bank.example']").hosts();
    let named = Hosts::local_and(vec!["bank.example".to_owned()]);
    assert_eq!(asked(&["--listen", "127.0.0.1:1"]), named);
    assert_eq!(asked(&["--host", "*"]), Hosts::any());
    assert_eq!(asked(&["--host", "a.example,*"]), Hosts::any());
    assert_eq!(asked(&["--listen", "0.0.0.0:1", "--listen-public"]), named);
    // A proxy may be in front of the socket.
    assert_eq!(asked(&["--listen", "unix:/run/x"]), named);
}

const DATABASE: &str = "postgres://me:secret@db:5432/bank";

#[test]
fn an_engine_and_a_database_go_together() {
    let url = ["--database-url", DATABASE, "--plaintext"];
    let with_url = |engine| [&["--engine", engine], &url[..]].concat();
    let printed = resolved(&with_url("postgres")).to_string();
    assert!(printed.contains("db:5432/bank") && !printed.contains("secret"));
    assert!(refused(&["--engine", "postgres"]).contains("needs --database-url"));
    assert!(refused(&with_url("embedded")).contains("--database-url needs --engine"));
    assert!(refused(&with_url("x")).contains("unknown engine x"));
    assert!(refused(&["--database-calls", "2"]).contains("the settings of a database"));
}

#[test]
fn mistakes_in_the_file_are_named() {
    let error = |file: &str| FileSettings::read(file).err().unwrap().to_string();
    assert!(error("listne = 'x'").contains("unknown field `listne`"));
    assert!(error("listen = 1").contains("expected a string"));
    assert!(error("[[processors]]\nnme = 'p'").contains("unknown field `nme`"));
    let unknown = refused(&["--durability", "usually"]);
    assert!(
        unknown.starts_with("--durability") && unknown.contains("usually"),
        "{unknown}"
    );
}

#[test]
fn an_api_node_has_its_ledger_elsewhere() {
    let api = |more: &[&str]| {
        let all = [&["--role", "api", "--ledger", "127.0.0.1:9980"], more].concat();
        refused(&all)
    };
    let config = resolved(&["--role", "api", "--ledger", "127.0.0.1:9980"]);
    assert!(matches!(
        config.engine,
        EngineConfig::Remote { tls: None, .. }
    ));
    let printed = config.to_string();
    assert!(printed.contains("ledger          127.0.0.1:9980"));
    let database = [
        "--engine",
        "postgres",
        "--database-url",
        "postgres://me@127.0.0.1/bank",
    ];
    resolved(&[&["--role", "api"], &database[..]].concat());
    assert!(refused(&["--role", "api"]).contains("name its ledger node with --ledger"));
    assert!(api(&["--engine", "embedded"]).contains("exclude each other"));
    assert!(api(&["--grpc-listen", "127.0.0.1:1"]).contains("an API node serves HTTP"));
    assert!(api(&["--accept-clock"]).contains("belong to the ledger node"));
    let all = refused(&["--ledger", "127.0.0.1:9980"]);
    assert!(
        all.contains("--ledger can only be used with --role api"),
        "{all}"
    );
    assert_eq!(
        refused(&["--role", "api", "--ledger", "http://x"]),
        "--ledger: `http://x` is not the address of a ledger node: use `host:port` or `unix:PATH`"
    );
}

#[test]
fn a_ledger_node_is_reached_over_grpc() {
    let config = resolved(&["--role", "ledger", "--grpc-listen", "unix:ledger.sock"]);
    assert_eq!(config.role, Role::Ledger);
    let printed = config.to_string();
    assert!(printed.contains("grpc_listen     unix:ledger.sock"));
    assert!(refused(&["--role", "ledger"]).contains("needs --grpc-listen"));
    assert!(refused(&["--role", "queen"]).contains("unknown role queen"));
    let everything = resolved(&["--grpc-listen", "127.0.0.1:1"]);
    assert_eq!(everything.role, Role::All);
}

const OPEN_NODE: [&str; 4] = ["--role", "ledger", "--grpc-listen", "0.0.0.0:9980"];
const CERTIFICATE: [&str; 4] = ["--tls-cert", "node.pem", "--tls-key", "node.key"];

#[test]
fn grpc_goes_beyond_loopback_with_certificates_or_by_name() {
    let expected = "0.0.0.0:9980 can be reached from other machines, and callers there are not identified: \
                    listen on loopback, ask for keys with --keys, admit only callers with a certificate \
                    (--grpc-tls-client-ca), or allow it with --listen-public";
    assert_eq!(refused(&OPEN_NODE), expected);
    resolved(&[&OPEN_NODE[..], &["--keys", "keys.json"]].concat());
    resolved(&[&OPEN_NODE[..], &["--listen-public"]].concat());
    let older = ["--tls-client-ca", "ca.pem"];
    let newer = ["--grpc-tls-client-ca", "ca.pem"];
    for client_ca in [older, newer] {
        let config = resolved(&[&OPEN_NODE[..], &CERTIFICATE, &client_ca].concat());
        assert!(config.to_string().contains("callers need a certificate"));
    }
    let both = refused(&[&OPEN_NODE[..], &CERTIFICATE, &older, &newer].concat());
    let which = "--tls-client-ca is the older name of --grpc-tls-client-ca: give only one of them";
    assert_eq!(both, which);
    let anyone = refused(&[&OPEN_NODE[..], &CERTIFICATE].concat());
    assert_eq!(anyone, expected);
}

#[test]
fn certificates_and_keys_go_together() {
    let node = |more: &[&str]| {
        let node = ["--role", "ledger", "--grpc-listen", "127.0.0.1:9980"];
        refused(&[&node[..], more].concat())
    };
    assert!(node(&["--tls-cert", "node.pem"]).contains("--grpc-tls-key"));
    assert!(node(&["--grpc-tls-client-ca", "ca.pem"]).contains("--grpc-tls-cert"));
    let metrics = [
        "--metrics-listen",
        "none",
        "--metrics-tls-cert",
        "m.pem",
        "--metrics-tls-key",
        "m.key",
    ];
    assert!(refused(&metrics).contains("cannot be used with --metrics-listen none"));
    assert!(refused(&["--http-tls-key", "http.key"]).contains("--http-tls-cert"));
    let of_ledger = ["--ledger-tls-ca", "ca.pem"];
    assert!(node(&of_ledger).contains("--ledger-tls-ca can only be used with --ledger"));
    assert!(refused(&CERTIFICATE).contains("--grpc-tls-cert can only be used with --grpc-listen"));
    let api = [
        "--role",
        "api",
        "--ledger",
        "ledger.example:9980",
        "--plaintext",
    ];
    resolved(&[&api[..], &of_ledger].concat());
    let no_ca = ["--ledger-tls-cert", "me.pem", "--ledger-tls-key", "me.key"];
    let no_ca = refused(&[&api[..], &no_ca].concat());
    assert_eq!(no_ca, "--ledger-tls-cert needs --ledger-tls-ca");
}

#[test]
fn a_redis_and_a_database_go_together() {
    let asked = |engine, database_url: Option<&'static str>, redis_url: Option<&'static str>| {
        let mut arguments = vec!["--plaintext", "--engine", engine];
        arguments.extend(
            database_url
                .into_iter()
                .flat_map(|url| ["--database-url", url]),
        );
        arguments.extend(redis_url.into_iter().flat_map(|url| ["--redis-url", url]));
        arguments
    };
    let (database, redis) = (Some(DATABASE), Some("rediss://:hidden@cache:6379"));
    let printed = resolved(&asked("write-behind", database, redis)).to_string();
    assert!(printed.contains("cache:6379") && printed.contains("db:5432/bank"));
    assert!(!printed.contains("hidden") && !printed.contains("secret"));
    for (engine, database_url, redis_url, why) in [
        ("write-behind", database, None, "needs --redis-url"),
        (
            "write-behind",
            None,
            redis,
            "needs --redis-url and --database-url",
        ),
        ("write-behind", database, Some("nowhere"), "--redis-url"),
        (
            "postgres",
            database,
            redis,
            "only be used with --engine write-behind",
        ),
        (
            "embedded",
            None,
            redis,
            "only be used with --engine write-behind",
        ),
    ] {
        let error = refused(&asked(engine, database_url, redis_url));
        assert!(error.contains(why), "{engine}: {error}");
    }
}

#[test]
fn nothing_is_sent_to_a_redis_unencrypted_unless_it_is_allowed() {
    let asked = |url: &'static str, more: &[&'static str]| {
        let database = [
            "--engine",
            "write-behind",
            "--database-url",
            "postgres://localhost/bank",
        ];
        [&database[..], &["--redis-url", url], more].concat()
    };
    for url in [
        "redis://127.0.0.1:6379",
        "redis://localhost",
        "rediss://cache",
    ] {
        resolved(&asked(url, &[]));
    }
    let own_ca = ["--redis-ca", "ca.pem"];
    resolved(&asked("rediss://cache", &own_ca));
    let error = refused(&asked("redis://cache", &[]));
    assert_eq!(
        error,
        "--redis-url names another machine, and the connection to it is not encrypted: use \
         rediss:// (with --redis-ca if an authority of your own signs its certificate), or allow it \
         with --plaintext"
    );
    resolved(&asked("redis://cache", &["--plaintext"]));
    assert_eq!(
        refused(&asked("redis://localhost", &own_ca)),
        "--redis-ca can only be used with a --redis-url that begins with rediss://"
    );
    let error = refused(&asked("redis://localhost?timeout=3", &[]));
    assert!(error.contains("`timeout`"), "{error}");
}

#[test]
fn an_outbox_is_in_the_data_folder_and_can_be_left_out() {
    let outbox = |arguments: &[&str]| resolved(arguments).outbox();
    let alone = outbox(&[]).unwrap();
    assert_eq!(alone.directory, Path::new("lastro-data/outbox"));
    assert_eq!((alone.bytes_max, alone.decides_readiness), (1 << 30, false));
    assert_eq!(outbox(&["--outbox-bytes-max", "0"]), None);
    let database = [
        "--engine",
        "postgres",
        "--database-url",
        "postgres://127.0.0.1/bank",
    ];
    assert_eq!(outbox(&database), None, "nodes may share a folder there");
    let bytes_max = ["--outbox-bytes-max", "4194304"];
    let asked_for = outbox(&[&database[..], &bytes_max].concat()).unwrap();
    assert_eq!(asked_for.bytes_max, 4 << 20);
    let api = outbox(&["--role", "api", "--ledger", "127.0.0.1:1"]);
    assert!(api.unwrap().decides_readiness);
    let ledger = ["--role", "ledger", "--grpc-listen", "127.0.0.1:1"];
    assert_eq!(outbox(&ledger), None);
    let error = refused(&[&ledger[..], &bytes_max].concat());
    assert!(
        error.contains("a ledger node takes no operations"),
        "{error}"
    );
}

#[test]
fn payments_are_dispatched_by_the_process_that_has_the_ledger() {
    let paying = ["--processor", "default=http://127.0.0.1:3"];
    let asked = |role: &[&'static str]| [role, &paying[..]].concat();
    let ledger = ["--role", "ledger", "--grpc-listen", "127.0.0.1:2"];
    assert!(resolved(&asked(&[])).payments.is_some());
    assert!(resolved(&asked(&ledger)).payments.is_some());
    let error = refused(&asked(&["--role", "api", "--ledger", "127.0.0.1:1"]));
    assert!(error.contains("--processor"), "{error}");
}

fn api(ledger: &str) -> Vec<&str> {
    vec!["--role", "api", "--ledger", ledger]
}

fn postgres(url: &str) -> Vec<&str> {
    vec!["--engine", "postgres", "--database-url", url]
}

#[test]
fn nothing_is_sent_unencrypted_beyond_loopback_unless_it_is_allowed() {
    let redis = [
        "--redis-url",
        "redis://127.0.0.1",
        "--engine",
        "write-behind",
    ];
    let behind = ["--database-url", "postgres://u:s3cret@db/x"];
    for (arguments, way_out) in [
        (api("ledger.example:1"), "--ledger-tls-ca"),
        (api("10.0.0.1:1"), "--ledger-tls-ca"),
        (postgres("postgres://u:s3cret@db/x"), "--database-ca"),
        (
            postgres("postgres://u:s3cret@127.0.0.1,db/x"),
            "--database-ca",
        ),
        (postgres("host=10.0.0.1 password=s3cret"), "--database-ca"),
        ([&redis[..], &behind].concat(), "--database-ca"),
        (vec!["--processor", "other=http://pay.example"], "loopback"),
    ] {
        let error = refused(&arguments);
        assert!(error.contains("--plaintext"), "{error}");
        assert!(error.contains(way_out), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        resolved(&[&arguments[..], &["--plaintext"]].concat());
    }
    for arguments in [
        api("localhost:1"),
        api("127.0.0.1:1"),
        api("[::1]:1"),
        api("unix:ledger.sock"),
        postgres("postgres://u@127.0.0.1/x"),
        postgres("postgres://u@%2Frun%2Fpostgresql/x"),
        postgres("postgres://u@db/x?sslmode=require"),
        postgres("postgres://u@db/x?sslmode=verify-full&sslrootcert=ca.pem"),
        vec!["--processor", "other=http://[::1]:8001"],
    ] {
        resolved(&arguments);
    }
}

#[test]
fn the_bounds_of_the_clock_are_printed_and_a_loss_is_accepted_over_write_behind_only() {
    let behind = [
        "--engine",
        "write-behind",
        "--redis-url",
        "redis://127.0.0.1",
        "--database-url",
        "postgres://127.0.0.1/lastro",
        "--accept-data-loss",
    ];
    let shown = with_file(&behind, "clock_jump_max_s = 77\n").to_string();
    for line in [
        "clock           may jump 77 s, that of Redis\n",
        "data_loss       accepted at this start (--accept-data-loss)\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let shown = resolved(&postgres("postgres://127.0.0.1/x")).to_string();
    let line = "clock           may jump 3600 s, that of the database\n";
    assert!(shown.contains(line), "{shown}");
    let api = resolved(&["--role", "api", "--ledger", "unix:x", "--expect-ledger", ID]);
    assert!(api.expect_ledger.is_some());
    let error = refused(&["--accept-data-loss"]);
    let expected = "can only be used with --engine write-behind";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn keys_need_a_place_that_is_there() {
    let on_database = [
        "--engine",
        "postgres",
        "--database-url",
        "postgres://localhost/bank",
    ];
    resolved(&[&on_database[..], &["--keys", "database"]].concat());
    assert_eq!(
        resolved(&["--keys", "keys.json", "--open-challenge"]).keys,
        Some(KeysPlace::File("keys.json".into()))
    );
    for (arguments, expected) in [
        (
            &["--keys", "database"][..],
            "--keys database needs --engine postgres or --engine write-behind: name a file instead",
        ),
        (
            &["--open-challenge"],
            "--open-challenge can only be used with --keys: without keys every route is open",
        ),
        (
            &["--ledger-key", "secret"],
            "--ledger-key can only be used with --ledger",
        ),
        (
            &["--expect-ledger", "1"],
            "--expect-ledger: the id of a ledger has 32 hexadecimal digits",
        ),
    ] {
        assert_eq!(refused(arguments), expected, "{arguments:?}");
    }
}

const ID: &str = "00ff0123456789abcdef0123456789ab";

#[test]
fn webhooks_are_sent_by_the_process_that_has_a_feed() {
    let file = "[webhooks.a]\nurl = 'https://hooks.example.com'\nsecret_files = ['/a']";
    let checked = |arguments: &[&str]| {
        let checked = with_file(arguments, file).check();
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(checked(&[]), Ok(()));
    let ledger_node = ["--role", "ledger", "--grpc-listen", "127.0.0.1:1"];
    assert_eq!(checked(&ledger_node), Ok(()));
    let postgres = [
        "--engine",
        "postgres",
        "--database-url",
        "postgres://127.0.0.1/bank",
    ];
    assert_eq!(checked(&postgres), Ok(()));
    let error = checked(&["--role", "api", "--ledger", "127.0.0.1:1"]).unwrap_err();
    assert!(error.contains("belongs to the process that has the ledger"));
}
