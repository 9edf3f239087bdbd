//! The readers of what an operator writes, on mutated texts: addresses, filters of the log, the file.

use testkit::fuzz;

fn texts(examples: &[&[u8]], reader: impl Fn(&str)) {
    fuzz(examples, |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            reader(text);
        }
    });
}

#[test]
fn fuzz_addresses() {
    texts(
        &[b"127.0.0.1:9999", b"[::1]:80", b"unix:/run/lastro/http"],
        |text| {
            if let Ok(address) = text.parse::<server::ListenAddress>() {
                let printed = address.to_string();
                let again = printed.parse::<server::ListenAddress>();
                assert_eq!(again.ok(), Some(address), "{text} as {printed}");
            }
        },
    );
}

#[test]
fn fuzz_connection_strings() {
    let examples: [&[u8]; 4] = [
        b"postgres://me:secret@db:5432/bank?sslmode=verify-full&sslrootcert=/ca.pem",
        b"host=db1,db2 port=5432 user=me password='secret' target_session_attrs=read-write",
        b"redis://:secret@cache:6379/0",
        b"rediss://me:secret@cache:6380/1#insecure",
    ];
    texts(&examples, |text| {
        // What these return is printed at the start.
        for place in [
            engine_postgres::place(text).ok(),
            engine_write_behind::place(text).ok(),
        ] {
            assert!(place.is_none_or(|place| !place.is_empty()), "{text}");
        }
    });
}

#[test]
fn fuzz_files() {
    let example = "listen = '127.0.0.1:1'\ndatabase_url = 'postgres://me:s3cret@db/bank'\n\
        [payments]\ndeadline_ms = 1\n[[processors]]\nname = 'p'\nurl = 'http://p:1'\n\
        [webhooks.w]\nurl = 'https://w'\nsecret_files = ['/w']\n";
    texts(&[example.as_bytes()], |text| {
        if let Err(fault) = crate::serve::file_fault(text) {
            assert!(!fault.contains("s3cret"), "{fault}");
        }
    });
}
