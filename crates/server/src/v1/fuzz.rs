//! The readers of requests, on mutated ones: bodies, times, cursors and queries.

use axum::http::HeaderMap;
use ledger::AccountId;
use testkit::fuzz;

use super::BatchRequest;
use super::cursor::{self, Next};
use super::ids::Asked;
use super::statement::Window;
use super::token;
use super::transfer_request::TransferRequest;
use crate::{json, rfc3339};

const TRANSFER: &[u8] =
    br#"{"id": "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a6b", "debit_account_id": "world:BRL",
    "credit_account_id": "users:42", "amount": 1000, "description": "top-up \u00e9 \"x\"",
    "reference": "0193b5a0-7c1e-7d2a-9f3b-1c2d3e4f5a6c", "timeout_s": 60}"#;
const BATCH: &[u8] = br#"{"atomic": true, "id": "01890a5d-ac96-774b-bcce-b302099a8057", "commands": [
    {"kind": "transfer", "id": "01890a5d-ac96-774b-bcce-b302099a8058", "debit_account_id": "users:42",
     "credit_account_id": "shops:7", "amount": 990, "description": "book"}]}"#;

#[test]
fn fuzz_bodies() {
    let headers = HeaderMap::new();
    fuzz(&[TRANSFER, BATCH], |bytes| {
        if let Ok(request) = json::parse::<TransferRequest<'_>>(bytes)
            && let Ok(command) = request.command(&Asked::none(&headers))
        {
            // An id, or the request would have been refused: nothing here makes one.
            assert!(!command.name().is_empty());
        }
        if let Ok(request) = json::parse::<BatchRequest<'_>>(bytes)
            && let Ok(batch) = request.batch(&Asked::none(&headers))
        {
            assert!(!batch.commands().is_empty(), "an empty batch was taken");
        }
    });
}

#[test]
fn fuzz_times() {
    let examples: [&[u8]; 3] = [
        b"2026-01-31T23:59:59.5Z",
        b"2024-02-29T00:00:00+14:00",
        b"1969-12-31T23:59:60-00:30",
    ];
    fuzz(&examples, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        if let Some(at) = rfc3339::parse(text) {
            let printed = rfc3339::Nanos(at).to_string();
            assert_eq!(rfc3339::parse(&printed), Some(at), "{text} as {printed}");
        }
    });
}

#[test]
fn fuzz_cursors() {
    let account = AccountId::new("users:42").expect("an id");
    let next = Next {
        beside: 1001,
        last: None,
    };
    let cursor = cursor::encode(&account, &Window::WHOLE, next);
    fuzz(&[cursor.as_bytes()], |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let read = cursor::decode(&account, &Window::WHOLE, text);
        let is_own = text.eq_ignore_ascii_case(&cursor);
        assert_eq!(read, is_own.then_some(next), "{text}");
    });
}

#[test]
fn fuzz_cursors_of_lists() {
    const KIND: &str = "lastro 2026 fuzzed cursor";
    let asked: [&[u8]; 2] = [b"users:", b""];
    let cursor = token::seal(KIND, b"users:42", &asked);
    fuzz(&[cursor.as_bytes()], |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let is_own = text.eq_ignore_ascii_case(&cursor);
        let expected = is_own.then(|| b"users:42".to_vec());
        assert_eq!(token::unseal(KIND, text, &asked), expected, "{text}");
    });
}
