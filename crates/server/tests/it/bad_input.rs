//! Bad input: the right 4xx, a stable code, and nothing changed.

use serde_json::Value;

use crate::support::{Face, Setup, everything, five_accounts};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const JSON: &str = "Content-Type: application/json\r\n";

/// One request with a body of any bytes on a connection of its own.
async fn send(
    face: &Face,
    path: &str,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> (u16, String, Value) {
    let body = body.as_ref();
    let mut raw = face.raw().await;
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
    raw.send([head.as_bytes(), body].concat()).await;
    let answer = raw.answer().await.unwrap();
    let (status, code) = answer.problem();
    (status, code, answer.json())
}

/// Sends each body and compares status and code; in the end nothing may have changed.
async fn check_bodies(path: &str, headers: &str, cases: &[(Vec<u8>, (u16, &str))]) {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let face = Setup::over(engine.clone()).start().await;
    for (body, (status, code)) in cases {
        let (got_status, got_code, problem) = send(&face, path, headers, body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]);
        assert_eq!(
            (got_status, &*got_code),
            (*status, *code),
            "{path} {shown}: {problem}"
        );
    }
    assert_eq!(everything(&engine), before, "{path}: nothing may change");
}

/// The valid body with one member replaced by other text.
fn transfer_with(member: &str, text: &str) -> Vec<u8> {
    let members = [
        ("id", format!("\"{ID}\"")),
        ("debit_account_id", "\"world:BRL\"".to_owned()),
        ("credit_account_id", "\"1\"".to_owned()),
        ("amount", "1".to_owned()),
        ("description", "\"x\"".to_owned()),
    ];
    object(&members, member, text)
}

fn transaction_with(member: &str, text: &str) -> Vec<u8> {
    let members = [
        ("valor", "1".to_owned()),
        ("tipo", "\"c\"".to_owned()),
        ("descricao", "\"x\"".to_owned()),
    ];
    object(&members, member, text)
}

fn object(members: &[(&str, String)], member: &str, text: &str) -> Vec<u8> {
    let mut written: Vec<String> = members
        .iter()
        .map(|(name, value)| {
            let value = if *name == member { text } else { value };
            format!("\"{name}\":{value}")
        })
        .collect();
    if !members.iter().any(|(name, _)| *name == member) {
        written.push(format!("\"{member}\":{text}"));
    }
    format!("{{{}}}", written.join(",")).into_bytes()
}

/// What is no JSON object of any kind, or not one only.
fn no_objects() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = ["", " ", "{", "}", "null", "1", "\"x\"", "[]", "{}", "NaN"]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    bodies.push(vec![0xff, 0xfe]);
    bodies.push("[".repeat(1_000).into_bytes());
    bodies.push("{\"a\":".repeat(500).into_bytes());
    bodies
}

/// Values that are no integer at all.
const NO_INTEGERS: [&str; 16] = [
    "null", "true", "\"1\"", "\"\"", "1.0", "1.2", "1e3", "-0.5", "NaN", "Infinity", "[1]", "{}",
    "01", "+1", "0x1", "",
];

/// Integers that are no amount.
const OUT_OF_RANGE: [&str; 7] = [
    "0",
    "-1",
    "-9223372036854775809",
    "9007199254740992",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999",
];

#[tokio::test]
async fn bodies_of_transfers() {
    const INVALID: (u16, &str) = (400, "json_invalid");
    let mut cases: Vec<(Vec<u8>, (u16, &str))> = Vec::new();
    cases.extend(no_objects().into_iter().map(|body| (body, INVALID)));
    cases.extend(NO_INTEGERS.map(|text| (transfer_with("amount", text), INVALID)));
    let out_of_range = (422, "amount_out_of_range");
    cases.extend(OUT_OF_RANGE.map(|text| (transfer_with("amount", text), out_of_range)));
    for (member, text, expected) in [
        ("description", "null", INVALID),
        ("description", "1", INVALID),
        ("description", "\"\\ud800\"", INVALID),
        ("description", "\"a\nb\"", INVALID),
        ("description", "\"\"", (422, "description_invalid")),
        ("description", "\"a\\nb\"", (422, "description_invalid")),
        ("debit_account_id", "null", INVALID),
        ("debit_account_id", "1", INVALID),
        ("debit_account_id", "\"\"", (400, "account_id_invalid")),
        ("debit_account_id", "\"a b\"", (400, "account_id_invalid")),
        ("credit_account_id", "\"é\"", (400, "account_id_invalid")),
        (
            "credit_account_id",
            "\"world:BRL\"",
            (422, "accounts_must_differ"),
        ),
        (
            "credit_account_id",
            "\"processor:x:BRL\"",
            (422, "account_reserved"),
        ),
        ("id", "1", INVALID),
        ("id", "null", (400, "id_missing")),
        ("id", "\"\"", (400, "id_invalid")),
        ("id", "\"1\"", (400, "id_invalid")),
        ("reference", "\"\"", (400, "reference_invalid")),
        ("reference", "\"a\\nb\"", (400, "reference_invalid")),
        ("reference", "[]", INVALID),
        ("metadata", "[]", INVALID),
        ("metadata", "\"x\"", INVALID),
        ("metadata", "{\"a\":1}", INVALID),
        ("metadata", "{\"\":\"x\"}", (400, "metadata_invalid")),
        (
            "metadata",
            "{\"a\":\"1\",\"a\":\"1\"}",
            (400, "metadata_invalid"),
        ),
        ("amount", "1,\"amount\":1", INVALID),
        ("timeout_s", "\"5\"", INVALID),
        ("timeout_s", "1.0", INVALID),
        ("timeout_s", "true", INVALID),
        ("timeout_s", "-1", (422, "timeout_out_of_range")),
        ("timeout_s", "4294967296", (422, "timeout_out_of_range")),
        ("amount", "1,\"Timeout_s\":5", INVALID),
        ("amount", "1,\"Amount\":1", INVALID),
        ("amount", "1}{\"amount\":1", INVALID),
        ("amount", "1,", INVALID),
    ] {
        cases.push((transfer_with(member, text), expected));
    }
    let mut bad_utf8 = transfer_with("description", "\"x\"");
    let at = bad_utf8.iter().rposition(|byte| *byte == b'x').unwrap();
    bad_utf8[at] = 0xc3;
    cases.push((bad_utf8, INVALID));
    cases.push((
        [&b"\xef\xbb\xbf"[..], &transfer_with("", "1")].concat(),
        INVALID,
    ));
    cases.push((vec![b' '; 1024 * 1024 + 1], (413, "body_too_large")));
    check_bodies("/v1/transfers", JSON, &cases).await;
}

#[tokio::test]
async fn bodies_of_accounts() {
    let with = |member: &str, text: &str| {
        let members = [
            ("id", "\"a\"".to_owned()),
            ("currency", "\"BRL\"".to_owned()),
            ("credit_limit", "0".to_owned()),
        ];
        object(&members, member, text)
    };
    const INVALID: (u16, &str) = (400, "json_invalid");
    let mut cases: Vec<(Vec<u8>, (u16, &str))> = Vec::new();
    cases.extend(no_objects().into_iter().map(|body| (body, INVALID)));
    cases.extend(NO_INTEGERS.map(|text| (with("credit_limit", text), INVALID)));
    for text in &OUT_OF_RANGE[1..] {
        cases.push((with("credit_limit", text), (422, "amount_out_of_range")));
    }
    for (member, text, expected) in [
        ("id", "\"\"", (400, "account_id_invalid")),
        ("id", "\".\"", (400, "account_id_invalid")),
        ("id", "\"..\"", (400, "account_id_invalid")),
        ("id", "\"a/b\"", (400, "account_id_invalid")),
        ("id", "\"world:BRL\"", (422, "account_reserved")),
        ("id", "\"processor:a:BRL\"", (422, "account_reserved")),
        ("id", "7", INVALID),
        ("currency", "\"brl\"", (400, "currency_invalid")),
        ("currency", "\"ZZZ\"", (400, "currency_invalid")),
        ("currency", "\"\"", (400, "currency_invalid")),
        ("currency", "986", INVALID),
        ("limit", "1", INVALID),
        ("id", "\"a\",\"id\":\"a\"", INVALID),
    ] {
        cases.push((with(member, text), expected));
    }
    let long = format!("\"{}\"", "x".repeat(65));
    cases.push((with("id", &long), (400, "account_id_invalid")));
    check_bodies("/v1/accounts", JSON, &cases).await;
}

#[tokio::test]
async fn bodies_of_posts_and_voids() {
    let with = |member: &str, text: &str| {
        let members = [("id", format!("\"{ID}\""))];
        object(&members, member, text)
    };
    const INVALID: (u16, &str) = (400, "json_invalid");
    for end in ["post", "void"] {
        let path = format!("/v1/transfers/00000000-0000-0000-0000-000000000001/{end}");
        let mut cases: Vec<(Vec<u8>, (u16, &str))> = vec![
            (Vec::new(), (400, "id_missing")),
            (b"{}".to_vec(), (400, "id_missing")),
            (with("id", "null"), (400, "id_missing")),
            (with("id", "\"1\""), (400, "id_invalid")),
            (with("id", "1"), INVALID),
            (with("pending_id", "\"1\""), INVALID),
            (with("id", &format!("\"{ID}\",\"id\":\"{ID}\"")), INVALID),
        ];
        let no_objects = no_objects().into_iter();
        let no_objects = no_objects.filter(|body| !body.is_empty() && body != b"{}");
        cases.extend(no_objects.map(|body| (body, INVALID)));
        if end == "post" {
            let no_integers = NO_INTEGERS.iter().filter(|text| **text != "null");
            cases.extend(no_integers.map(|text| (with("amount", text), INVALID)));
            let out_of_range = (422, "amount_out_of_range");
            cases.extend(OUT_OF_RANGE.map(|text| (with("amount", text), out_of_range)));
        } else {
            cases.push((with("amount", "1"), INVALID));
        }
        check_bodies(&path, JSON, &cases).await;
        let no_type = [(with("", "1"), (415, "content_type_unsupported"))];
        check_bodies(&path, "", &no_type).await;
    }
}

#[tokio::test]
async fn bodies_of_batches() {
    let with = |member: &str, text: &str| {
        let members = [
            ("atomic", "false".to_owned()),
            ("commands", "[{\"kind\":\"x\"}]".to_owned()),
        ];
        object(&members, member, text)
    };
    const INVALID: (u16, &str) = (400, "json_invalid");
    let mut cases: Vec<(Vec<u8>, (u16, &str))> = Vec::new();
    cases.extend(no_objects().into_iter().map(|body| (body, INVALID)));
    for (member, text) in [
        ("atomic", "null"),
        ("atomic", "1"),
        ("atomic", "\"true\""),
        ("commands", "null"),
        ("commands", "{}"),
        ("commands", "\"[]\""),
        ("commands", "[1]"),
        ("commands", "[[]]"),
        ("commands", "[{}]"),
        ("commands", "[{\"kind\":\"void\",\"kind\":\"void\"}]"),
        ("commands", "[{\"kind\":\"void\"},]"),
        ("commands", "[],\"commands\":[]"),
        ("transfers", "[]"),
        ("id", "1"),
    ] {
        cases.push((with(member, text), INVALID));
    }
    cases.push((b"{\"commands\":[]}".to_vec(), INVALID));
    cases.push((b"{\"atomic\":true}".to_vec(), INVALID));
    check_bodies("/v1/batches", JSON, &cases).await;
}

#[tokio::test]
async fn bodies_of_the_challenge_are_all_422() {
    const INVALID: (u16, &str) = (422, "json_invalid");
    let mut cases: Vec<(Vec<u8>, (u16, &str))> = Vec::new();
    cases.extend(no_objects().into_iter().map(|body| (body, INVALID)));
    cases.extend(NO_INTEGERS.map(|text| (transaction_with("valor", text), INVALID)));
    let out_of_range = (422, "amount_out_of_range");
    cases.extend(OUT_OF_RANGE.map(|text| (transaction_with("valor", text), out_of_range)));
    for (member, text, expected) in [
        ("tipo", "\"x\"", INVALID),
        ("tipo", "\"C\"", INVALID),
        ("tipo", "\"\"", INVALID),
        ("tipo", "null", INVALID),
        ("tipo", "{\"c\":null}", INVALID),
        ("descricao", "null", INVALID),
        ("descricao", "12", INVALID),
        ("descricao", "\"\"", (422, "description_invalid")),
        ("descricao", "\"12345678901\"", (422, "description_invalid")),
        ("descricao", "\"a\\u0000\"", (422, "description_invalid")),
        ("extra", "1", INVALID),
        ("valor", "1,\"valor\":1", INVALID),
    ] {
        cases.push((transaction_with(member, text), expected));
    }
    cases.push((br#"{"tipo":"c","descricao":"x"}"#.to_vec(), INVALID));
    cases.push((br#"[1,"c","x"]"#.to_vec(), INVALID));
    cases.push((
        b"{\"valor\":1,\"tipo\":\"c\",\"descricao\":\"\xff\"}".to_vec(),
        INVALID,
    ));
    cases.push((vec![b' '; 5_000], (413, "body_too_large")));
    check_bodies("/clientes/1/transacoes", JSON, &cases).await;
}

#[tokio::test]
async fn content_types() {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let face = Setup::over(engine.clone()).start().await;
    for headers in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/jsonx\r\n",
        "Content-Type: \r\n",
        "Content-Type: \u{fc}\r\n",
    ] {
        for (path, status) in [
            ("/v1/transfers", 415),
            ("/v1/accounts", 415),
            ("/clientes/1/transacoes", 422),
        ] {
            let (got, code, _) = send(&face, path, headers, transaction_with("", "1")).await;
            assert_eq!(
                (got, &*code),
                (status, "content_type_unsupported"),
                "{path} {headers}"
            );
        }
    }
    assert_eq!(everything(&engine), before);
    for headers in [
        "Content-Type: application/json; charset=utf-8\r\n",
        "content-type: Application/JSON\r\n",
    ] {
        let body = transfer_with("amount", "0");
        let (got, code, _) = send(&face, "/v1/transfers", headers, body).await;
        assert_eq!((got, &*code), (422, "amount_out_of_range"));
    }
}

#[tokio::test]
async fn details_name_what_and_where() {
    let engine = five_accounts().await;
    let face = Setup::over(engine).start().await;
    for (body, words) in [
        (
            transfer_with("amount", "1.5"),
            vec!["`1.5`", "integer", "line 1"],
        ),
        (
            transfer_with("colour", "1"),
            vec!["unknown field `colour`", "column"],
        ),
        (
            transfer_with("amount", "1,\"amount\":1"),
            vec!["duplicate field `amount`"],
        ),
        (b"{}".to_vec(), vec!["missing field `debit_account_id`"]),
    ] {
        let (_, _, problem) = send(&face, "/v1/transfers", JSON, body).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
    }
}

#[tokio::test]
async fn paths_and_heads() {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let face = Setup::over(engine.clone()).start().await;
    let long = "x".repeat(3_000);
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (request, expected) in [
        (get("/v1/accounts/%"), (400, "path_invalid")),
        (get("/v1/accounts/%zz"), (400, "path_invalid")),
        (get("/v1/accounts/%ff"), (400, "path_invalid")),
        (get("/v1/accounts/a%2Fb"), (400, "account_id_invalid")),
        (
            get("/v1/accounts/a%20b/statement"),
            (400, "account_id_invalid"),
        ),
        // A client that sends these as they are is answered; most clients resolve them before.
        (get("/v1/accounts/.."), (404, "account_not_found")),
        (get("/v1/accounts/%2E%2e"), (404, "account_not_found")),
        (get("/v1/accounts/"), (404, "route_not_found")),
        (get("/v1/accounts//statement"), (400, "account_id_invalid")),
        (get("/v1/accounts/1/statement/"), (404, "route_not_found")),
        (
            get("/v1/accounts/1/statement?limit=x"),
            (400, "limit_invalid"),
        ),
        (
            get("/v1/accounts/1/statement?cursor=x"),
            (400, "cursor_invalid"),
        ),
        (get("/v1/accounts/1/statement?x=1"), (400, "query_invalid")),
        (get("/nothing"), (404, "route_not_found")),
        (get("/v1"), (404, "route_not_found")),
        (get(&format!("/v1/accounts/{long}")), (414, "uri_too_long")),
        (get(&format!("/{long}")), (414, "uri_too_long")),
        (
            get(&format!("/{}", "x".repeat(20_000))),
            (431, "headers_too_large"),
        ),
        ("GARBAGE\r\n\r\n".to_owned(), (400, "request_malformed")),
        (
            "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
            (400, "request_malformed"),
        ),
        (
            "GET / HTTP/9.9\r\n\r\n".to_owned(),
            (400, "request_malformed"),
        ),
        (
            "GET / HTTP/1.1\r\nA B: 1\r\n\r\n".to_owned(),
            (400, "request_malformed"),
        ),
        (
            format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)),
            (431, "headers_too_large"),
        ),
        (
            format!("GET / HTTP/1.1\r\n{many}\r\n"),
            (431, "headers_too_large"),
        ),
        (
            "POST /v1/accounts HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
                .to_owned(),
            (400, "request_malformed"),
        ),
        (
            "POST /v1/accounts HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
            (400, "request_malformed"),
        ),
        (
            "GET /healthz HTTP/1.1\r\n\r\n".to_owned(),
            (400, "host_invalid"),
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n".to_owned(),
            (400, "host_invalid"),
        ),
        (
            "GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n".to_owned(),
            (400, "host_invalid"),
        ),
        (
            format!(
                "POST /v1/accounts HTTP/1.1\r\nHost: x\r\n{JSON}Transfer-Encoding: chunked\r\n\r\nzz\r\n"
            ),
            (400, "body_incomplete"),
        ),
        (
            format!(
                "POST /v1/accounts HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 9999999999999\r\n\r\n"
            ),
            (413, "body_too_large"),
        ),
        (
            format!(
                "POST /v1/transfers HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 1048577\r\n\r\n"
            ),
            (413, "body_too_large"),
        ),
        (
            format!(
                "POST /v1/batches HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 4194305\r\n\r\n"
            ),
            (413, "body_too_large"),
        ),
    ] {
        let mut raw = face.raw().await;
        raw.send(&request).await;
        let shown: String = request.chars().take(80).collect();
        let answer = raw.answer().await;
        let (status, code) = answer
            .unwrap_or_else(|| panic!("{shown}: no answer"))
            .problem();
        assert_eq!((status, &*code), expected, "{shown}");
    }
    assert_eq!(everything(&engine), before);
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[tokio::test]
async fn idempotency_keys() {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let face = Setup::over(engine.clone()).start().await;
    let long = format!("{JSON}Idempotency-Key: {}\r\n", "k".repeat(256));
    for (headers, code) in [
        (
            format!("{JSON}Idempotency-Key: other\r\n"),
            "idempotency_key_conflict",
        ),
        (
            format!("{JSON}Idempotency-Key: \r\n"),
            "idempotency_key_invalid",
        ),
        (
            format!("{JSON}Idempotency-Key: \u{fc}\r\n"),
            "idempotency_key_invalid",
        ),
        (
            format!("{JSON}Idempotency-Key: a\r\nIdempotency-Key: a\r\n"),
            "idempotency_key_invalid",
        ),
        (long, "idempotency_key_invalid"),
    ] {
        let body = transfer_with("", "1");
        let body = String::from_utf8(body).unwrap().replace(",\"\":1", "");
        let (status, got, _) = send(&face, "/v1/transfers", &headers, body).await;
        assert_eq!((status, &*got), (400, code), "{headers}");
    }
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn an_encoded_body_is_told_so() {
    let engine = five_accounts().await;
    let before = everything(&engine);
    let face = Setup::over(engine.clone()).start().await;
    for encoding in ["gzip", "br", "identity, gzip"] {
        let headers = format!("{JSON}Content-Encoding: {encoding}\r\n");
        let (status, code, _) = send(&face, "/v1/transfers", &headers, b"\x1f\x8b".to_vec()).await;
        let expected = (415, "content_encoding_unsupported");
        assert_eq!((status, &*code), expected, "{encoding}");
    }
    let headers = format!("{JSON}Content-Encoding: identity\r\n");
    let (status, code, _) = send(&face, "/v1/transfers", &headers, b"{".to_vec()).await;
    assert_eq!((status, &*code), (400, "json_invalid"));
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn a_member_without_an_id_is_told_to_have_its_own() {
    let face = Setup::over(five_accounts().await).start().await;
    for command in [
        r#"{"kind":"transfer","debit_account_id":"1","credit_account_id":"2","amount":1,"description":"x"}"#,
        r#"{"kind":"void","pending_id":"01890a5d-ac96-774b-bcce-b302099a8057"}"#,
    ] {
        let body = format!("{{\"atomic\":false,\"commands\":[{command}]}}");
        let (status, code, problem) = send(&face, "/v1/batches", JSON, body).await;
        assert_eq!((status, &*code), (400, "id_missing"));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("add an id to the command"), "{detail}");
    }
}
