//! What a person meets at the command line.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::LastroProcess;

use crate::support::{Bank, assert_clean, binary, folder, serve, verify};

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let folder = folder();
    let first = serve(folder.path());
    let error = LastroProcess::serve(&binary(), folder.path(), &[])
        .err()
        .unwrap();
    assert!(error.contains("is in use by"), "{error}");
    assert!(error.contains(&first.id().to_string()), "{error}");
    let output = verify(folder.path());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is in use by"));
    // Reading goes beside the server.
    let mut read_only = Command::new(binary());
    read_only
        .args(["verify", "--read-only", "--data-dir"])
        .arg(folder.path());
    assert!(read_only.output().unwrap().status.success());
}

#[test]
fn verify_makes_no_ledger_where_there_is_none() {
    let folder = folder();
    for place in [folder.path().to_owned(), folder.path().join("nothing")] {
        let output = verify(&place);
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("there is no ledger in"), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_sealed_journal_that_was_changed_is_refused() {
    let folder = folder();
    let process = serve(folder.path());
    let bank = Bank::of(&process);
    for _ in 0..3 {
        assert_eq!(bank.transact("1", "c", 1).await.0, 200);
    }
    assert!(process.stop().unwrap().success());
    // A byte in the middle of what was answered, with whole frames after it.
    let segment = folder.path().join("0000000000.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = 128 + 120 + 40;
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    for said in [
        LastroProcess::serve(&binary(), folder.path(), &[])
            .err()
            .unwrap(),
        String::from_utf8_lossy(&verify(folder.path()).stderr).into_owned(),
    ] {
        assert!(said.contains("is damaged at byte"), "{said}");
        assert!(said.contains("restore"), "{said}");
    }
    assert_eq!(
        std::fs::read(&segment).unwrap(),
        bytes,
        "damage was changed"
    );
}

#[test]
fn mistakes_are_named() {
    for (arguments, expected) in [
        (
            "serve --listen 0.0.0.0:0",
            "0.0.0.0:0 can be reached from other machines, and callers there are not identified: listen \
             on loopback, ask for keys with --keys, admit only callers with a certificate (--http-tls-client-ca), or allow it with \
             --listen-public",
        ),
        (
            "serve --listen nowhere",
            "--listen: `nowhere` is not an address to listen on: the port is missing; use \
             `host:port` or `unix:PATH`",
        ),
        (
            "processor --listen 0.0.0.0:0",
            "--listen 0.0.0.0:0 can be reached from other machines, and any caller can order \
             failures: listen on loopback, or allow it with --insecure",
        ),
        (
            "processor --fee 1.5",
            "invalid value '1.5' for '--fee <FEE>': a fee is 0 to 1 with at most 4 digits after the \
             point",
        ),
        (
            "serve --durability maybe",
            "--durability: unknown durability \"maybe\": use disk or os",
        ),
        (
            "serve --config /nonexistent.toml",
            "cannot read /nonexistent.toml: No such file or directory (os error 2)",
        ),
        ("bench --batch 9000", "--batch must be 1 to 8190"),
        (
            "bench --data-dir /dev/shm/lastro-bench-test",
            "/dev/shm/lastro-bench-test is on a memory file system: nothing there is durable; \
             choose --data-dir",
        ),
        (
            "serve --role ledger --grpc-listen 0.0.0.0:1",
            "0.0.0.0:1 can be reached from other machines, and callers there are not identified: listen \
             on loopback, ask for keys with --keys, admit only callers with a certificate (--grpc-tls-client-ca), or allow it with \
             --listen-public",
        ),
        (
            "serve --engine x",
            "--engine: unknown engine x: use embedded, postgres or write-behind",
        ),
        (
            "serve --processor a=ftp://a",
            "processor \"a\": a processor's URL is https://host[:port][/path] or http://…, without user, \
             query or fragment",
        ),
    ] {
        let mut command = Command::new(binary());
        let output = command.args(arguments.split(' ')).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let first_line = said.lines().next();
        assert!(!output.status.success(), "{arguments}");
        assert_eq!(
            first_line,
            Some(format!("error: {expected}").as_str()),
            "{arguments}"
        );
    }
    let _ = std::fs::remove_dir("/dev/shm/lastro-bench-test");
}

#[test]
fn bench_reports_its_figures_as_json() {
    let folder = folder();
    let output = Command::new(binary())
        .args([
            "bench",
            "--transfers",
            "3000",
            "--batch",
            "100",
            "--accounts",
            "50",
            "--hot",
        ])
        .args(["--json", "figures.json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let json = std::fs::read_to_string(folder.path().join("figures.json")).unwrap();
    let figures: serde_json::Value = serde_json::from_str(&json).unwrap();
    for name in [
        "transfers_per_s",
        "batch_p50_us",
        "batch_p99_us",
        "batch_max_us",
        "rss_bytes",
        "floor_transfers_per_s",
        "floor_p50_us",
    ] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {json}");
    }
    assert_eq!(figures["durability"], "disk");
    assert_eq!(figures["refused_count"], json!(30), "1 % of them");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(
        left.len(),
        1,
        "the bench leaves its folder behind: {left:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_was_accepted() {
    let folder = folder();
    let process = serve(folder.path());
    let bank = Bank::of(&process);
    let answered = Arc::new(AtomicU64::new(0));
    let hammer = {
        let (bank, answered) = (bank.clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            loop {
                let body = json!({"valor": 1, "tipo": "c", "descricao": "descricao"});
                let url = format!("{}/clientes/3/transacoes", bank.url);
                match bank.http.post(url).json(&body).send().await {
                    Ok(response) if response.status() == 200 => {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                    _ => return,
                }
            }
        })
    };
    while answered.load(Ordering::SeqCst) < 20 && !hammer.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(process.stop().unwrap().success());
    hammer.await.unwrap();
    let answered = answered.load(Ordering::SeqCst);
    assert!(answered >= 20, "{answered}");
    assert_clean(folder.path());
    let process = serve(folder.path());
    let total = Bank::of(&process).statement("3").await["saldo"]["total"]
        .as_u64()
        .unwrap();
    assert!(
        (answered..=answered + 1).contains(&total),
        "{answered} answered, {total} kept"
    );
}

/// Whatever connects to a database on another machine does so encrypted, or is told not to. The
/// address is of no machine: the check comes before any connection.
#[test]
fn no_command_reaches_a_database_on_another_machine_unencrypted_unasked() {
    let url = "postgres://me:secret@192.0.2.1/bank?connect_timeout=1";
    for command in ["migrate", "verify", "bench"] {
        let run = |arguments: &[&str]| {
            let output = Command::new(binary())
                .args([command, "--database-url", url])
                .args(arguments)
                .env_remove("LASTRO_PLAINTEXT")
                .output()
                .unwrap();
            assert!(!output.status.success(), "{command}");
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let said = run(&[]);
        let refused = "the connection to the database at 192.0.2.1 may be unencrypted";
        assert!(
            said.contains(refused) && said.contains("--plaintext"),
            "{said}"
        );
        let said = run(&["--plaintext"]);
        assert!(!said.contains(refused), "{said}");
    }
}

/// A lost Redis may still be named by the environment of its nodes, but not by who says it is lost.
#[test]
fn a_lost_redis_is_passed_over_in_the_environment() {
    let detach = |arguments: &[&str]| {
        let output = Command::new(binary())
            .args(["migrate", "--detach", "--redis-lost"])
            .args(["--database-url", "postgres://127.0.0.1:9/none"])
            .args(arguments)
            .env("LASTRO_REDIS_URL", "redis://127.0.0.1:9")
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = detach(&[]);
    assert!(
        said.contains("the database is still behind its Redis"),
        "{said}"
    );
    let said = detach(&["--redis-url", "redis://127.0.0.1:9"]);
    assert!(
        said.contains("--redis-lost and --redis-url exclude each other"),
        "{said}"
    );
}
