//! Every command once in a terminal; what it prints is kept as text.
//!
//! Where another text is meant: `LASTRO_UPDATE_GOLDEN=1 cargo test -p lastro tables_in_a_terminal`.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use processor::{ProcessorSettings, Running};
use testkit::LastroProcess;

use super::{in_terminal, printed, run};
use crate::documents::comparable;
use crate::support::{binary, folder};

const GOLDEN: &str = "tests/it/command_line/tables.txt";
const PAYMENT: &str = "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a09";

const STORY: &[&str] = &[
    "lastro account open users:42 --currency BRL --credit-limit 100000",
    "lastro account open users:42 --currency BRL --credit-limit 100000",
    "lastro account open yen --currency JPY",
    "lastro transfer --debit world:BRL --credit users:42 --amount 1000 --description top-up --reference 'order 7' \
     --metadata shop=7 --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a01",
    "lastro transfer --debit users:42 --credit 1 --amount 800 --description hotel --pend 3600 --dry-run \
     --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a02",
    "lastro transfer --debit users:42 --credit 1 --amount 800 --description hotel --pend 3600 \
     --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a02",
    "lastro post 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a02 --amount 500 --keep-rest \
     --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a03",
    "lastro void 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a02 --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a04",
    "lastro reverse 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a03 --amount 200 --description refund \
     --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a05",
    "lastro transfer --debit world:JPY --credit yen --amount 1234 --description gift \
     --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a06",
    "lastro statement users:42",
    "lastro statement users:42 --oldest-first --limit 1",
    "lastro transfers --account users:42",
    "lastro transfers --reference 'order 7' --kind transfer --oldest-first",
    "lastro transfers --account users:42 --state voided --limit 1",
    "lastro statement world:JPY",
    "lastro balance users:42 --after 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a03",
    "lastro account set-limit users:42 --credit-limit 200000 --expected 100000 --who ana --why 'ticket 4711' \
     --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a07",
    "lastro account freeze users:42 --side debits --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a08",
    "lastro transfer --debit users:42 --credit 1 --amount 1 --description no --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a0b",
    "lastro account unfreeze users:42 --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a0c",
    "lastro account open old --currency BRL",
    "lastro account close old --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a0d",
    "lastro account limits users:42",
    "lastro account show users:42",
    "lastro account list --prefix u",
    "lastro account list",
    "lastro balances --prefix users",
    "lastro balances --at 2999-12-31 --tz America/Sao_Paulo",
    "lastro balance world:JPY --after 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a06",
    "lastro events --account users:42 --types transfer.posted,account.frozen,transfer.pending",
    "lastro events --types command.refused --follow --limit 1",
    "lastro payment create --amount 1990 --currency BRL --description 'invoice 88' --account users:42 \
     --reference 'order 8' --id 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a09",
    "lastro payment show 0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a09",
    "lastro payment list --state accepted",
    "lastro payment list --reference 'order 8'",
    "lastro payment list --state unknown",
];

#[test]
fn tables_in_a_terminal_are_as_they_were() {
    let folder = folder();
    let settings = ProcessorSettings::official("default");
    let processor = Running::start("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    let named = format!("default={}", processor.url());
    let arguments = ["--demo", "--processor", &named];
    let data_dir = folder.path().join("data");
    let server = LastroProcess::serve(&binary(), &data_dir, &arguments).unwrap();
    let mut told = String::new();
    for command in STORY {
        if command.contains("payment show") {
            settled(server.url());
        }
        let program = format!("'{}' ", binary().display());
        let line = command.replacen("lastro ", &program, 1);
        let output = in_terminal(&line, folder.path(), server.url());
        let text = printed(&output).replace("\r\n", "\n");
        let code = output.status.code().unwrap();
        write!(told, "$ {command}\n{text}").unwrap();
        if code != 0 {
            writeln!(told, "exit code {code}").unwrap();
        }
        told.push('\n');
    }
    let told = comparable(&told) + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(told == kept, "{GOLDEN} has another text than:\n{told}");
}

/// Waits until the payment is settled.
fn settled(url: &str) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !printed(&run(url, &["payment", "show", PAYMENT])).contains("\"settled\"") {
        assert!(Instant::now() < give_up, "the payment was not settled");
        std::thread::sleep(Duration::from_millis(20));
    }
}
