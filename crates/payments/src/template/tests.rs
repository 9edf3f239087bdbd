//! What templates write and read, and each mistake in one.

use ledger::Millis;

use super::text::PaymentValues;
use super::*;

const ID: &str = "00000000-0000-0000-0000-000000000001";

fn brl() -> Currency {
    Currency::new("BRL").unwrap()
}

fn details() -> Details {
    Details {
        description: "say \"hi\"\\".to_owned(),
        reference: None,
        metadata: r#"{"shop":"7"}"#.to_owned(),
    }
}

fn request_of(template: &Template) -> Outgoing {
    let details = details();
    let values = Values {
        id: PaymentId::from_u128(1),
        payment: Some(PaymentValues {
            amount: 1_990,
            currency: brl(),
            requested_at: "2025-07-15T12:34:56.007Z",
            details: &details,
        }),
    };
    template.request(&values).unwrap()
}

fn body(outgoing: &Outgoing) -> &str {
    std::str::from_utf8(outgoing.body.as_ref().unwrap()).unwrap()
}

fn answer(status: u16, body: &str) -> Answer<'_> {
    Answer {
        status,
        body: body.as_bytes(),
        retry_after: None,
    }
}

fn find(template: &Template, status: u16, body: &str) -> Result<Found, &'static str> {
    template.find(answer(status, body), PaymentId::from_u128(1), brl())
}

const fn recorded(millis: u64) -> Found {
    Found::Recorded {
        amount: Some(1_990),
        requested_at: Millis(millis),
    }
}

#[test]
fn every_shipped_template_can_be_used() {
    for name in Template::names() {
        let template = Template::named(name).unwrap();
        let outgoing = request_of(&template);
        let read: Result<serde_json::Value, _> = serde_json::from_str(body(&outgoing));
        assert!(read.is_ok(), "{name}: {}", body(&outgoing));
        let lookup = template.lookup(PaymentId::from_u128(1)).unwrap();
        assert!(lookup.path.ends_with(ID), "{name}: {}", lookup.path);
    }
    assert_eq!(Template::named("no such"), None);
}

#[test]
fn the_challenge_is_written_and_read_exactly() {
    let template = Template::default();
    let outgoing = request_of(&template);
    assert_eq!(
        (outgoing.method.as_str(), &*outgoing.path),
        ("POST", "/payments")
    );
    let expected = format!(
        r#"{{"correlationId":"{ID}","amount":19.90,"requestedAt":"2025-07-15T12:34:56.007Z"}}"#
    );
    assert_eq!(body(&outgoing), expected);
    assert!(!template.needs_details());
    assert_eq!(template.health_path(), Some("/payments/service-health"));
    assert_eq!(
        find(&template, 200, &expected),
        Ok(recorded(1_752_582_896_007))
    );
    let other = r#"{"amount": 19.901, "requestedAt": "2025-07-15T12:34:56.007Z"}"#;
    assert!(matches!(
        find(&template, 200, other),
        Ok(Found::Recorded { amount: None, .. })
    ));
    assert_eq!(find(&template, 404, ""), Ok(Found::Absent));
    assert_eq!(find(&template, 503, ""), Ok(Found::Failed));
    for (status, bad) in [
        (200, "{}"),
        (200, ""),
        (
            200,
            r#"{"amount": "19,90", "requestedAt": "2025-07-15T12:34:56.007Z"}"#,
        ),
        (200, r#"{"amount": 19.90, "requestedAt": "yesterday"}"#),
        (
            200,
            r#"{"amount": {}, "requestedAt": "2025-07-15T12:34:56.007Z"}"#,
        ),
        (
            200,
            r#"{"amount": 19.90, "requestedAt": "1969-07-15T12:34:56.007Z"}"#,
        ),
        (201, &expected),
        (302, ""),
        (403, ""),
    ] {
        assert!(find(&template, status, bad).is_err(), "{status} {bad}");
    }
}

#[test]
fn what_others_write_is_read_generously() {
    let template = Template::default();
    for (amount, requested_at, millis) in [
        ("19.90", "2025-07-15T12:34:56.007", 1_752_582_896_007),
        ("\"19.90\"", "2025-07-15 12:34:56.007123", 1_752_582_896_007),
        ("1.99e1", "2025-07-15T09:34:56.007-03:00", 1_752_582_896_007),
        ("\"19.9\"", "2025-07-15T12:34:56", 1_752_582_896_000),
        ("19.900", "2025-07-15T12:34Z", 1_752_582_840_000),
    ] {
        let body = format!(r#"{{"amount": {amount}, "requestedAt": "{requested_at}"}}"#);
        assert_eq!(find(&template, 200, &body), Ok(recorded(millis)), "{body}");
    }
}

#[test]
fn a_good_status_with_a_declared_failure_is_no_good_answer() {
    let template = Template::default();
    let judge = |body| template.judge(answer(200, body), &[]);
    for body in [
        r#"{"success": false}"#,
        r#"{"status": "FAILED", "id": 1}"#,
        r#"{"error": {"code": 7}}"#,
        r#"{"error": "no funds"}"#,
        // In other words than expected, or not to be read.
        r#"{"success": "false", "message": "no funds"}"#,
        r#"{"success": 0}"#,
        r#"{"error": "a", "error": null}"#,
        "\u{feff}{\"success\": false}",
        r#"{"status": "cut"#,
    ] {
        assert_eq!(judge(body), AttemptAnswer::Unknown, "{body}");
    }
    let latin_1 = b"{\"error\": \"cart\xe3o recusado\"}";
    let answer_1 = Answer {
        body: latin_1,
        ..answer(200, "")
    };
    assert_eq!(template.judge(answer_1, &[]), AttemptAnswer::Unknown);
    for body in [
        "",
        "OK",
        r#"{"message": "payment processed successfully"}"#,
        r#"{"success": true, "error": null, "status": "recorded"}"#,
        r#"{"status": 200, "error": ""}"#,
        r#"["error"]"#,
        r#"{"success": 1, "error": false}"#,
    ] {
        assert_eq!(judge(body), AttemptAnswer::Recorded, "{body}");
    }
}

#[test]
fn an_intent_is_decided_by_its_status() {
    let template = Template::named("intent").unwrap();
    let outgoing = request_of(&template);
    assert_eq!(outgoing.headers["idempotency-key"], ID);
    let expected = format!(
        r#"{{"id":"{ID}","amount":1990,"currency":"brl","description":"say \"hi\"\\","reference":null,"metadata":{{"shop":"7"}}}}"#
    );
    assert_eq!(body(&outgoing), expected);
    assert!(template.needs_details());
    let judge = |status, body| template.judge(answer(status, body), &[]);
    for (status, body, expected) in [
        (201, r#"{"status": "succeeded"}"#, AttemptAnswer::Recorded),
        (201, r#"{"status": "processing"}"#, AttemptAnswer::Pending),
        (200, r#"{"status": "failed"}"#, AttemptAnswer::Refused),
        // Whatever it does not say is not good.
        (201, r#"{"status": "SUCCEEDED"}"#, AttemptAnswer::Unknown),
        (201, r#"{"state": "succeeded"}"#, AttemptAnswer::Unknown),
        (201, "", AttemptAnswer::Unknown),
        (204, "", AttemptAnswer::Unknown),
        (409, "", AttemptAnswer::Unknown),
        (422, "", AttemptAnswer::Refused),
        (401, "", AttemptAnswer::Misdirected),
        (307, "", AttemptAnswer::Unknown),
        (500, "", AttemptAnswer::Unknown),
    ] {
        assert_eq!(judge(status, body), expected, "{status} {body}");
    }
    let kept = |status: &str, id: &str, currency: &str| {
        let body = format!(
            r#"{{"id": "{id}", "status": "{status}", "currency": "{currency}", "amount": "1990", "created": 1752582896}}"#
        );
        find(&template, 200, &body)
    };
    assert_eq!(
        kept("succeeded", ID, "brl"),
        Ok(recorded(1_752_582_896_000))
    );
    assert_eq!(kept("processing", ID, "BRL"), Ok(Found::Pending));
    assert_eq!(kept("failed", ID, "brl"), Ok(Found::Declined));
    let other = ID.replace('1', "2");
    for status in ["succeeded", "processing", "failed"] {
        assert_eq!(kept(status, &other, "brl"), Err("it is about another id"));
        assert_eq!(kept(status, ID, "usd"), Err("it is in another currency"));
    }
    assert!(kept("odd", ID, "brl").is_err());
}

#[test]
fn a_transfer_is_accepted_first_and_decided_later() {
    let template = Template::named("transfer").unwrap();
    let outgoing = request_of(&template);
    assert_eq!(outgoing.method, Method::PUT);
    assert_eq!(outgoing.path, format!("/transfers/{ID}"));
    let judge = |status, body| template.judge(answer(status, body), &[]);
    assert_eq!(judge(202, ""), AttemptAnswer::Pending);
    assert_eq!(
        judge(202, r#"{"state": "rejected"}"#),
        AttemptAnswer::Refused
    );
    assert_eq!(
        judge(202, r#"{"error": "no funds"}"#),
        AttemptAnswer::Unknown
    );
    assert_eq!(
        judge(200, r#"{"state": "completed"}"#),
        AttemptAnswer::Recorded
    );
    assert_eq!(judge(409, ""), AttemptAnswer::AlreadyRecorded);
    let body = format!(
        r#"{{"id": "{ID}", "state": "completed", "completed_at": "2025-07-15T12:34:56.007", "amount": {{"value": "19.90", "currency": "BRL"}}}}"#
    );
    assert_eq!(find(&template, 200, &body), Ok(recorded(1_752_582_896_007)));
}

const OWN: &str = r#"
[request]
method = "POST"
path = "/pay"
body = '{"id": {id}, "amount": {amount}}'
answers = [{ status = "200", means = "recorded" }]
[lookup]
path = "/pay/{id}"
answers = [{ status = "200", means = "recorded" }, { status = "404", means = "absent" }]
amount = { field = "a.0.b", unit = "minor" }
requested_at = { field = "at", format = "unix_ms" }
"#;

fn checked(text: &str) -> Result<Template, String> {
    let file: TemplateFile = toml::from_str(text).map_err(|error| error.to_string())?;
    file.check().map_err(|error| error.to_string())
}

#[test]
fn fields_are_found_in_lists_and_objects() {
    let template = checked(OWN).unwrap();
    let at = r#""at": "1752582896007""#;
    let found = find(
        &template,
        200,
        &format!(r#"{{"a": [{{"b": 1990}}], {at}}}"#),
    );
    assert_eq!(found, Ok(recorded(1_752_582_896_007)));
    for body in [
        format!(r#"{{"a": [], {at}}}"#),
        format!(r#"{{"a": {{"0": {{"b": null}}}}, {at}}}"#),
        r#"{"a": [{"b": 1990}], "at": 99999999999999999999}"#.to_owned(),
        r#"{"a": [{"b": 1990}], "at": 9999999999999999}"#.to_owned(),
        "[".to_owned(),
    ] {
        assert!(find(&template, 200, &body).is_err(), "{body}");
    }
}

/// A rule for a whole class of statuses takes in those that speak of the caller, or of the moment.
#[test]
fn no_rule_makes_a_status_an_absence_that_says_nothing_of_the_payment() {
    let template = checked(&OWN.replace(r#""404""#, r#""4xx""#)).unwrap();
    for status in [404, 410, 422] {
        assert_eq!(find(&template, status, ""), Ok(Found::Absent), "{status}");
    }
    for status in SAYS_NOTHING {
        assert!(find(&template, status, "").is_err(), "{status}");
    }
}

/// The template of the guide, as it stands there.
#[test]
fn the_template_of_the_guide_can_be_used() {
    let guide = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/guide/processors.md"
    );
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, text) = guide.split_once("[templates.acme.request]\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let text = format!("[request]\n{}", text.replace("[templates.acme.", "["));
    let template = checked(&text).unwrap();
    let outgoing = request_of(&template);
    let expected =
        format!(r#"{{"ref": "{ID}", "cents": 1990, "currency": "BRL", "note": "order "}}"#);
    assert_eq!(body(&outgoing), expected);
    let kept = |state: &str| {
        format!(
            r#"{{"data": [{{"ref": "{ID}", "state": "{state}", "cents": 1990, "created": 1752582896}}]}}"#
        )
    };
    assert_eq!(
        find(&template, 200, &kept("paid")),
        Ok(recorded(1_752_582_896_000))
    );
    assert_eq!(find(&template, 200, &kept("open")), Ok(Found::Pending));
    assert_eq!(find(&template, 200, &kept("refused")), Ok(Found::Declined));
    for none in [r#"{"data": []}"#, r#"{"data": [ ]}"#] {
        assert_eq!(find(&template, 200, none), Ok(Found::Absent), "{none}");
    }
    assert!(find(&template, 200, r#"{"data": [[]]}"#).is_err());
    assert!(find(&template, 404, "").is_err(), "it does not say that");
}

#[test]
fn each_mistake_is_reported_with_its_way_out() {
    for (from, to, expected) in [
        (
            "\"POST\"",
            "\"GET\"",
            "request: \"GET\" cannot be used here: use POST or PUT",
        ),
        (
            "path = \"/pay\"",
            "path = \"pay\"",
            "request: a path begins with a slash",
        ),
        (
            "path = \"/pay\"",
            "path = \"/p{ay\"",
            "request: a path begins with a slash",
        ),
        (
            "path = \"/pay\"",
            "path = \"/{amount}\"",
            "request: {amount} is not a placeholder that can be used here: use {id}",
        ),
        (
            "{id}, \"amount\"",
            "{uuid}, \"amount\"",
            "request: without {id} in the path",
        ),
        (
            "{id}, \"amount\"",
            "{id}, \"x\": {uuid}, \"amount\"",
            "request: {uuid} is not a placeholder",
        ),
        ("{amount}", "1", "request: without an amount in the body"),
        (
            "{amount}}'",
            "{amount}'",
            "request: the body is not JSON once its placeholders are filled in",
        ),
        (
            "{amount}}'",
            "\"{amount}{metadata}\"}'",
            "request: {metadata} is a JSON object",
        ),
        (
            "path = \"/pay\"",
            "path = \"/pay\"\nheaders = { Host = \"a\" }",
            "request: \"Host\" is not a header",
        ),
        (
            "path = \"/pay\"",
            "path = \"/pay\"\nheaders = { \"a b\" = \"a\" }",
            "request: \"a b\" is not a header",
        ),
        (
            "\"200\", means = \"recorded\" }]\n[",
            "\"2xy\", means = \"recorded\" }]\n[",
            "request.answers: status \"2xy\" must be",
        ),
        (
            "\"200\", means = \"recorded\" }]\n[",
            "\"200\", means = \"paid\" }]\n[",
            "\"paid\" cannot be used here: use recorded, already_recorded",
        ),
        (
            "\"200\", means = \"recorded\" }]\n[",
            "\"409\", means = \"recorded\" }]\n[",
            "request.answers: status 409 cannot mean recorded: that needs 2xx",
        ),
        (
            "\"200\", means = \"recorded\" }]\n[",
            "\"200\", field = \"a\", means = \"recorded\" }]\n[",
            "request.answers: field and is belong together",
        ),
        (
            "\"200\", means = \"recorded\" }]\n[",
            "\"200\", field = \"a..b\", is = [\"x\"], means = \"recorded\" }]\n[",
            "request.answers: \"a..b\" is not a field",
        ),
        ("/pay/{id}", "/pay/all", "lookup: without {id} in the path"),
        (
            "\"404\", means = \"absent\"",
            "\"500\", means = \"absent\"",
            "status 500 cannot mean absent: that needs 2xx or 4xx",
        ),
        (
            ", { status = \"404\", means = \"absent\" }",
            "",
            "lookup.answers: no answer means absent",
        ),
        (
            "unit = \"minor\"",
            "unit = \"cents\"",
            "lookup.amount: \"cents\" cannot be used here: use decimal or minor",
        ),
        (
            "\"unix_ms\"",
            "\"unix\"",
            "lookup.requested_at: \"unix\" cannot be used here: use rfc3339, unix_s or unix_ms",
        ),
        (
            "[lookup]",
            "[lookup]\nid_field = \"\"",
            "lookup.id_field: \"\" is not a field",
        ),
        (
            "[lookup]",
            "[lookup]\ncolour = \"red\"",
            "unknown field `colour`",
        ),
        (
            "[request]",
            "health_path = \"x\"\n[request]",
            "health_path: a path begins with a slash",
        ),
    ] {
        let text = OWN.replacen(from, to, 1);
        assert_ne!(text, OWN, "{from}");
        let error = checked(&text).unwrap_err();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}

/// Whatever a processor answers, it has a meaning, and nothing is good that the template does not name.
#[test]
fn fuzz_answers() {
    let templates: Vec<Template> = Template::names().filter_map(Template::named).collect();
    let examples: [&[u8]; 3] = [
        br#"{"id": "00000000-0000-0000-0000-000000000001", "status": "succeeded", "amount": 1990, "currency": "brl", "created": 1}"#,
        br#"{"state": "completed", "amount": {"value": "19.90", "currency": "BRL"}, "completed_at": "2025-07-15T12:34:56.007"}"#,
        br#"{"amount": 19.90, "requestedAt": "2025-07-15T12:34:56.007Z"}"#,
    ];
    testkit::fuzz(&examples, |bytes| {
        for template in &templates {
            let of = |status| Answer {
                status,
                body: bytes,
                retry_after: None,
            };
            for status in [300, 400, 404, 409, 500] {
                let judged = template.judge(of(status), &[]);
                assert_ne!(judged, AttemptAnswer::Recorded);
                let found = template.find(of(status), PaymentId::from_u128(1), brl());
                assert!(!matches!(found, Ok(Found::Recorded { .. })));
            }
            // It must only not fail.
            let _ = template.judge(of(200), &[]);
            let _ = template.find(of(200), PaymentId::from_u128(1), brl());
        }
    });
}
