//! Encrypted connections to a real PostgreSQL with a certificate of our own.

use std::fs;
use std::path::{Path, PathBuf};

use engine_postgres::{OpenError, Options, PostgresEngine};
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

#[test]
fn the_server_is_who_its_certificate_says_or_there_is_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let own = certify(folder.path(), "own");
    let other = certify(folder.path(), "other");
    let postgres = Postgres::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = |parameters: &str, authority: Option<&Path>| {
        let url = format!("{}{parameters}", postgres.url());
        let options = Options {
            authority: authority.map(Path::to_owned),
            ..Options::default()
        };
        runtime.block_on(PostgresEngine::open(&url, &options))
    };
    // A server without a certificate.
    assert!(open("", None).is_ok());
    assert!(open("?sslmode=disable", None).is_ok());
    assert!(open("?sslmode=require", None).is_err());
    assert!(open("", Some(&own.authority)).is_err());

    postgres.write_data("server.crt", &own.certificate).unwrap();
    postgres.write_data("server.key", &own.key).unwrap();
    postgres.psql("ALTER SYSTEM SET ssl = on").unwrap();
    postgres.psql("SELECT pg_reload_conf()").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while open("?sslmode=require", None).is_err() {
        assert!(std::time::Instant::now() < deadline, "never encrypted");
    }
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
            assert!(std::time::Instant::now() < deadline, "no connection");
        }
        let others = connections(if is_encrypted { "NOT ssl" } else { "ssl" });
        assert_eq!(others, 0, "{parameters} {authority:?}");
        drop(engine);
        // Connections end with their pool.
        while connections("true") > 0 {
            assert!(std::time::Instant::now() < deadline, "connections stay");
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
        assert!(matches!(refused, OpenError::Database(_)), "{refused}");
        assert!(told.is_some(), "{refused}");
    }
    // The certificate is of another name.
    let url = postgres.url().replace("127.0.0.1", "localhost");
    let options = Options {
        authority: Some(own.authority),
        ..Options::default()
    };
    assert!(
        runtime
            .block_on(PostgresEngine::open(&url, &options))
            .is_err()
    );
}
