//! PostgreSQL, asked by its own client.

use testkit::servers::{Postgres, ServerOptions};

#[test]
fn it_keeps_what_was_committed_over_a_stop_and_a_kill() {
    let mut postgres = Postgres::start().unwrap();
    postgres.psql("CREATE TABLE kept (id bigint)").unwrap();
    for (id, end) in [(1, Postgres::stop as fn(&mut _) -> _), (2, killed)] {
        postgres
            .psql(&format!("INSERT INTO kept VALUES ({id})"))
            .unwrap();
        let port = postgres.port();
        end(&mut postgres).unwrap();
        assert_eq!(postgres.id(), None);
        assert!(postgres.psql("SELECT 1").is_err(), "it is down");
        postgres.restart().unwrap();
        assert_eq!(postgres.port(), port);
    }
    assert_eq!(
        postgres.psql("SELECT id FROM kept ORDER BY 1").unwrap(),
        "1\n2"
    );
}

fn killed(postgres: &mut Postgres) -> Result<(), String> {
    // A client that keeps its backend busy: the kill must reach that one too.
    let mut client = std::process::Command::new(postgres.program("psql")?)
        .args(["-d", &postgres.url(), "-c", "SELECT pg_sleep(1000)"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    while postgres.psql(asleep)? != "1" {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    postgres.kill();
    client.wait().map_err(|error| error.to_string())?;
    Ok(())
}

#[test]
fn two_at_once_know_nothing_of_each_other() {
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| Postgres::start().unwrap());
        (Postgres::start().unwrap(), other.join().unwrap())
    });
    assert_ne!(one.port(), other.port());
    one.psql("CREATE TABLE only_here ()").unwrap();
    let error = other.psql("TABLE only_here").unwrap_err();
    assert!(error.contains("\"only_here\" does not exist"), "{error}");
}

#[test]
fn settings_count_and_durability_is_the_default() {
    let options = ServerOptions::with_settings(&[("work_mem", "5MB"), ("application_name", "o'k")]);
    let postgres = Postgres::start_with(&options).unwrap();
    let show = |name: &str| postgres.psql(&format!("SHOW {name}")).unwrap();
    assert_eq!(show("work_mem"), "5MB");
    assert_eq!(
        (show("fsync"), show("synchronous_commit")),
        ("on".into(), "on".into())
    );
    let url = postgres.create_database("own").unwrap();
    assert!(url.ends_with(&format!(":{}/own", postgres.port())), "{url}");
    let databases = "SELECT count(*) FROM pg_database WHERE datname = 'own'";
    assert_eq!(postgres.psql(databases).unwrap(), "1");
}

#[test]
fn a_folder_that_was_named_keeps_its_cluster() {
    // Closed to others, as temporary folders are: who runs the server must still get in.
    let outer = tempfile::tempdir_in("/tmp").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(outer.path(), open).unwrap();
    let options = ServerOptions {
        folder: Some(outer.path().join("postgres")),
        ..ServerOptions::default()
    };
    let postgres = Postgres::start_with(&options).unwrap();
    postgres.psql("CREATE TABLE kept ()").unwrap();
    drop(postgres);
    let postgres = Postgres::start_with(&options).unwrap();
    assert_eq!(postgres.psql("SELECT count(*) FROM kept").unwrap(), "0");
}

#[test]
fn what_it_refuses_is_told_with_its_own_words() {
    let options = ServerOptions::with_settings(&[("no_such_setting", "1")]);
    let error = Postgres::start_with(&options).unwrap_err();
    assert!(error.contains("no_such_setting"), "{error}");
}
