//! Encrypted connections to a real PostgreSQL with a certificate of our own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine_postgres::{PostgresEngine, PostgresOpenError, PostgresOptions};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use testkit::servers::Postgres;

/// An authority's certificate in a file, and a server's that it signed with its key.
struct Certified {
    authority: PathBuf,
    certificate: String,
    key: String,
}

fn certify(folder: &Path, name: &str) -> Certified {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = folder.join(format!("{name}.pem"));
    fs::write(&authority, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    Certified {
        authority,
        certificate: params.signed_by(&key, &issuer).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// Gives a server this certificate, and waits until it is spoken to with it.
fn encrypt(postgres: &Postgres, certificate: &str, key: &str) {
    postgres.write_data("server.crt", certificate).unwrap();
    postgres.write_data("server.key", key).unwrap();
    postgres.psql("ALTER SYSTEM SET ssl = on").unwrap();
    postgres.psql("SELECT pg_reload_conf()").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut psql = std::process::Command::new(postgres.program("psql").unwrap());
    let place = format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=require",
        postgres.port()
    );
    psql.args(["--command", "SELECT 1", "--dbname", &place]);
    while !psql.output().unwrap().status.success() {
        assert!(Instant::now() < deadline, "never encrypted");
    }
}

const VERSION_1: (&str, &str) = (
    include_str!("certificates/version-1.crt"),
    include_str!("certificates/version-1.key"),
);
/// Of version 3, and signed by itself, of a host that its common name says.
const OWN_AUTHORITY: (&str, &str) = (
    include_str!("certificates/own-authority.crt"),
    include_str!("certificates/own-authority.key"),
);

fn opened(url: &str) -> Result<(), PostgresOpenError> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = PostgresOptions::default();
    let opened = PostgresEngine::open(url, &options);
    runtime.block_on(opened).map(drop)
}

/// As the database's manual makes them.
#[test]
fn certificates_of_version_1_encrypt_and_prove_the_servers_key() {
    let postgres = Postgres::start().unwrap();
    let (certificate, key) = VERSION_1;
    encrypt(&postgres, certificate, key);
    postgres
        .psql("CREATE ROLE clerk LOGIN SUPERUSER PASSWORD 'a  b'")
        .unwrap();
    let rules = "hostssl all clerk 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
    postgres.write_data("pg_hba.conf", rules).unwrap();
    for version in ["TLSv1.2", "TLSv1.3"] {
        let set = format!("ALTER SYSTEM SET ssl_max_protocol_version = '{version}'");
        postgres.psql(&set).unwrap();
        postgres.psql("SELECT pg_reload_conf()").unwrap();
        // Seen by new connections once the server has seen it.
        let deadline = Instant::now() + Duration::from_secs(60);
        while postgres.psql("SHOW ssl_max_protocol_version").unwrap() != version {
            assert!(Instant::now() < deadline, "{version}");
        }
        for parameters in ["", "?sslmode=prefer", "?sslmode=require"] {
            opened(&format!("{}{parameters}", postgres.url())).unwrap();
        }
        // The password is bound to the certificate.
        let bound = format!(
            "host=127.0.0.1 port={} user=clerk password='a  b' dbname=postgres sslmode=require \
             channel_binding=require",
            postgres.port()
        );
        opened(&bound).unwrap();
        assert!(opened(&bound.replace("sslmode=require", "sslmode=disable")).is_err());
        assert!(opened(&bound.replace("a  b", "a b")).is_err());
    }
    let trusted = format!("{}?channel_binding=require", postgres.url());
    assert!(
        opened(&trusted).is_err(),
        "no password, and so nothing bound"
    );
}

#[test]
fn a_certificate_may_be_its_own_authority() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start().unwrap();
    for (name, (certificate, key)) in [("v1", VERSION_1), ("v3", OWN_AUTHORITY)] {
        encrypt(&postgres, certificate, key);
        let authority = folder.path().join(name);
        fs::write(&authority, certificate).unwrap();
        let url = |mode| {
            let authority = authority.display();
            format!("{}?sslmode={mode}&sslrootcert={authority}", postgres.url())
        };
        // Until the server has read the new one.
        let deadline = Instant::now() + Duration::from_secs(60);
        while opened(&url("verify-full")).is_err() {
            assert!(Instant::now() < deadline, "{name} is not trusted");
        }
        opened(&url("require")).unwrap();
        let elsewhere = |mode| opened(&url(mode).replace("@127.0.0.1", "@localhost"));
        elsewhere("verify-ca").unwrap();
        assert!(elsewhere("verify-full").is_err(), "{name}");
    }
}

#[test]
fn what_is_encrypted_from_the_first_byte_on_is_spoken_to_so() {
    let postgres = Postgres::start().unwrap();
    let version = postgres.psql("SHOW server_version_num").unwrap();
    if version.parse::<u32>().unwrap() < 170_000 {
        println!("sslnegotiation=direct is not tried: the server is of before version 17");
        return;
    }
    let (certificate, key) = OWN_AUTHORITY;
    encrypt(&postgres, certificate, key);
    let direct = "?sslmode=require&sslnegotiation=direct";
    opened(&format!("{}{direct}", postgres.url())).unwrap();
}

#[test]
fn connections_are_called_what_the_url_says() {
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (parameters, name) in [("", "lastro"), ("?application_name=mine", "mine")] {
        let url = format!("{}{parameters}", postgres.url());
        let engine = runtime.block_on(PostgresEngine::open(&url, &PostgresOptions::default()));
        let _engine = engine.unwrap();
        let count =
            format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = '{name}'");
        let deadline = Instant::now() + Duration::from_secs(60);
        while postgres.psql(&count).unwrap() != "t" {
            assert!(Instant::now() < deadline, "{name}");
        }
    }
}

#[test]
fn the_server_is_who_its_certificate_says_or_there_is_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let own = certify(folder.path(), "own");
    let other = certify(folder.path(), "other");
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = |parameters: &str, authority: Option<&Path>| {
        let url = format!("{}{parameters}", postgres.url());
        let options = PostgresOptions {
            authority: authority.map(Path::to_owned),
            ..PostgresOptions::default()
        };
        runtime.block_on(PostgresEngine::open(&url, &options))
    };
    // A server without a certificate.
    assert!(open("", None).is_ok());
    assert!(open("?sslmode=disable", None).is_ok());
    assert!(open("?sslmode=require", None).is_err());
    assert!(open("", Some(&own.authority)).is_err());

    encrypt(&postgres, &own.certificate, &own.key);
    let deadline = Instant::now() + Duration::from_secs(60);
    let connections = |condition: &str| {
        let found = postgres.psql(&format!(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE application_name = 'lastro' AND {condition}"
        ));
        found.unwrap().parse::<u32>().unwrap()
    };
    for (parameters, authority, is_encrypted) in [
        ("", None, true),
        ("?sslmode=require", Some(&*own.authority), true),
        ("", Some(&*own.authority), true),
        ("?sslmode=disable", None, false),
    ] {
        let engine = open(parameters, authority).unwrap();
        while connections("true") == 0 {
            assert!(Instant::now() < deadline, "no connection");
        }
        let others = connections(if is_encrypted { "NOT ssl" } else { "ssl" });
        assert_eq!(others, 0, "{parameters} {authority:?}");
        drop(engine);
        // Connections end with their pool.
        while connections("true") > 0 {
            assert!(Instant::now() < deadline, "connections stay");
        }
    }
    let in_url = format!(
        "?sslmode=verify-full&sslrootcert={}",
        own.authority.display()
    );
    assert!(open(&in_url, None).is_ok());
    for wrong in ["", "?sslmode=require", "?sslmode=verify-ca"] {
        let refused = open(wrong, Some(&other.authority)).map(drop).unwrap_err();
        let told = std::error::Error::source(&refused).map(ToString::to_string);
        assert!(
            matches!(refused, PostgresOpenError::Connection(_)),
            "{refused}"
        );
        assert!(told.is_some(), "{refused}");
    }
    // The certificate is of another name.
    let url = postgres.url().replace("127.0.0.1", "localhost");
    let options = PostgresOptions {
        authority: Some(own.authority),
        ..PostgresOptions::default()
    };
    assert!(
        runtime
            .block_on(PostgresEngine::open(&url, &options))
            .is_err()
    );
}
