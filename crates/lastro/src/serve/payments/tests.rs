//! The configuration of payments: what is read, and each mistake.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn read(flags: &[&str], file: &str) -> anyhow::Result<Option<PaymentsConfig>> {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    resolve(&flags, toml::from_str(file)?)
}

const FILE: &str = "
    [payments]
    currency = 'USD'
    preferred_wait_ms = 700
    [[processors]]
    name = 'default'
    cost_percent = '5'
    rate_max = 250
    recorded_within_ms = 9000
    definite_5xx = [{ status = 500, empty_body = true }]
";

#[test]
fn flags_name_and_the_file_describes() {
    let config = read(&["default=http://a:1", "fallback=http://b:2"], FILE)
        .unwrap()
        .unwrap();
    let [default, fallback] = config.dispatch.processors.as_slice() else {
        panic!("{config:?}");
    };
    assert_eq!(
        (default.cost_basis_points, fallback.cost_basis_points),
        (500, 0)
    );
    assert_eq!(default.definite.len(), 1);
    let [paced, unpaced] = config.dispatch.policy.processors.as_slice() else {
        panic!("{config:?}");
    };
    assert_eq!(paced.recorded_within, Some(Duration::from_secs(9)));
    assert_eq!(
        (paced.rate_max, unpaced.rate_max),
        (NonZeroU32::new(250), None)
    );
    assert_eq!(
        config.dispatch.policy.preferred_wait,
        Duration::from_millis(700)
    );
    assert_eq!(config.dispatch.policy.currency.as_str(), "USD");
    let shown = Shown(Some(&config)).to_string();
    assert!(shown.contains("in USD, no processor slower"), "{shown}");
    assert!(
        shown.contains("default at http://a:1, cost 5.00 %"),
        "{shown}"
    );
    assert!(shown.contains("500 without a body is definite"), "{shown}");
    assert!(
        shown.contains(
            "500 at once, timeout 10000 ms, 250 a second, connections for 60000 ms, template rinha-2025, records"
        ),
        "{shown}"
    );
}

#[test]
fn no_processors_no_payments() {
    assert_eq!(read(&[], "").unwrap(), None);
    assert!(Shown(None).to_string().contains("none"));
}

fn template_of(name: &str, method: &str) -> String {
    format!(
        "[templates.{name}.request]\nmethod = '{method}'\npath = '/pay'\n\
         body = '{{\"id\": {{id}}, \"amount\": {{amount}}}}'\n\
         answers = [{{ status = '200', means = 'recorded' }}]\n[templates.{name}.lookup]\npath = '/pay/{{id}}'\n\
         answers = [{{ status = '200', means = 'recorded' }}, {{ status = '404', means = 'absent' }}]\n\
         amount = {{ field = 'amount', unit = 'minor' }}\nrequested_at = {{ field = 'at', format = 'rfc3339' }}\n"
    )
}

#[test]
fn a_processor_is_spoken_to_as_its_template_says() {
    let of = |template: &str| {
        let file =
            format!("[[processors]]\nname = 'p'\nurl = 'http://a'\ntemplate = '{template}'\n");
        let config = read(&[], &(file + &template_of("own", "PUT")))
            .unwrap()
            .unwrap();
        let shown = Shown(Some(&config)).to_string();
        assert!(shown.contains(&format!(", template {template}")), "{shown}");
        (config.dispatch.processors[0].clone(), shown)
    };
    let (own, shown) = of("own");
    assert_ne!(own.template, Template::default());
    assert!(shown.contains("no health report"), "{shown}");
    let (intent, _) = of("intent");
    assert_eq!(Some(intent.template), Template::named("intent"));
    let (challenge, shown) = of("rinha-2025");
    assert_eq!(challenge.template, Template::default());
    assert!(
        shown.contains("health /payments/service-health each 5100 ms"),
        "{shown}"
    );
}

#[test]
fn each_mistake_is_reported_with_its_way_out() {
    let of = |line: &str| format!("[[processors]]\nname = 'p'\nurl = 'http://a'\n{line}");
    for (flags, file, expected) in [
        (
            vec!["default"],
            String::new(),
            "--processor has the form NAME=URL",
        ),
        (vec!["a b=http://a"], String::new(), "1 to 32 characters"),
        (
            vec!["a=ftp://a"],
            String::new(),
            "processor \"a\": a processor's URL is https://host[:port][/path] or http://…, without user, query or \
             fragment",
        ),
        (
            vec!["a=http://a", "a=http://b"],
            String::new(),
            "processor a is configured twice",
        ),
        (vec![], FILE.to_owned(), "url is missing"),
        (vec![], of("timeout_ms = 0"), "must be at least 1"),
        (
            vec![],
            of("template = 'paypol'"),
            "processor \"p\": unknown template \"paypol\": use rinha-2025, intent, transfer",
        ),
        (
            vec![],
            of("callback_secret_files = ['1','2','3','4','5','6','7','8','9']"),
            "callback_secret_files must name at most 8 files",
        ),
        (
            vec![],
            of(&template_of("intent", "POST")),
            "[templates.intent] has the name of a shipped template: give it another one",
        ),
        (
            vec![],
            of(&template_of("own", "GET")),
            "[templates.own]: request: \"GET\" cannot be used here: use POST or PUT",
        ),
        (vec![], of("rate_max = 0"), "rate_max"),
        (vec![], of("cost_percent = '101'"), "from 0 to 100"),
        (
            vec![],
            of("definite_5xx = [{ status = 404 }]"),
            "404 is not a status of a server error",
        ),
        (
            vec![],
            of("connection_age_max_ms = 0"),
            "must be at least 1",
        ),
        (
            vec![],
            of("ca_file = '/ca'"),
            "need a url that begins with https://",
        ),
        (
            vec![],
            of("certificate_file = '/cert'"),
            "certificate_file and key_file can only be used together",
        ),
        (
            vec![],
            of("headers = { Host = 's3cret' }"),
            "header \"Host\": Lastro sets this header itself: leave it out",
        ),
        (
            vec![],
            of("headers = { 'a b' = 's3cret' }"),
            "header \"a b\": this is not a name of a header",
        ),
        (
            vec![],
            of("headers = { a = \"s3cret\\n\" }"),
            "header \"a\": the value has a character that a header cannot have",
        ),
        (
            vec![],
            of("headers = { a = { prefix = 's3cret' } }"),
            "header \"a\": its value must come from a file or from a variable, and not from both",
        ),
        (
            vec![],
            of("headers = { a = { colour = 's3cret' } }"),
            "unknown field `colour`",
        ),
        (vec![], of("health_path = 'x'"), "must be a path"),
        (
            vec![],
            of("template = 'intent'\nheaders = { idempotency-key = 's3cret' }"),
            "headers: idempotency-key names the payment in template intent",
        ),
        (
            vec![],
            of("template = 'transfer'\nrecorded_within_ms = 9000"),
            "recorded_within_ms cannot be used with template transfer, whose processor decides later",
        ),
        (
            vec![],
            of("[payments]\ncurrency = 'reais'"),
            "currency \"reais\" of [payments]: use a code of ISO 4217, such as BRL",
        ),
        (vec![], of("colour = 'red'"), "unknown field `colour`"),
    ] {
        let error = format!("{:#}", read(&flags, &file).unwrap_err());
        assert!(error.contains(expected), "{flags:?} {file}: {error}");
        let quotes_value = error.contains("s3cret") && !error.contains("TOML parse error");
        assert!(!quotes_value, "{error}");
    }
}

#[test]
fn what_a_processor_is_shown_is_read_and_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let file = format!(
        "[[processors]]\nname = 'p'\nurl = 'http://a'\n[processors.headers]\nX-Merchant = '42'\n\
         Authorization = {{ file = '{}', prefix = 'Bearer ' }}\nX-Path = {{ variable = 'PATH' }}\n",
        secret.display()
    );
    let config = read(&[], &file).unwrap().unwrap();
    let shown = Shown(Some(&config)).to_string();
    assert!(
        shown.contains(
            "connections for 60000 ms, template rinha-2025, header authorization, header x-merchant, header x-path"
        ),
        "{shown}"
    );
    let [access] = config.access.as_slice() else {
        panic!("{config:?}");
    };
    assert_eq!(
        access.files().collect::<Vec<_>>(),
        std::slice::from_ref(&secret)
    );
    let write = |text: &str, mode| {
        std::fs::write(&secret, text).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        access.read().map_err(|error| format!("{error:#}"))
    };
    assert_eq!(write("s3cret\n", 0o600), Ok(()));
    for (text, mode, expected) in [
        ("s3cret", 0o644, "can be read or written by other users"),
        ("", 0o600, "must have the secret as its only line"),
        (
            "s3cret\ns3cret",
            0o600,
            "must have the secret as its only line",
        ),
        (
            "s3\u{7}cret",
            0o600,
            "a character that a header cannot have",
        ),
    ] {
        let error = write(text, mode).unwrap_err();
        assert!(
            error.starts_with("processor p: header \"authorization\": "),
            "{error}"
        );
        assert!(
            error.contains(expected) && !error.contains("s3cret"),
            "{error}"
        );
    }
    let unset = file.replace("'PATH'", "'LASTRO_TEST_UNSET'");
    write("s3cret", 0o600).unwrap();
    let config = read(&[], &unset).unwrap().unwrap();
    let error = format!("{:#}", config.access[0].read().unwrap_err());
    assert!(
        error.ends_with("the variable LASTRO_TEST_UNSET is not set"),
        "{error}"
    );
}
