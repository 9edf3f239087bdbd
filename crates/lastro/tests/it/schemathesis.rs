//! Schemathesis asks the real binary what the OpenAPI document says may be asked, and what it says may not: no answer
//! is a failure of the server, and each has a status, a type and a body that the document lists.

use std::path::Path;
use std::process::{Command, Output};

use processor::{ProcessorSettings, Running};
use serde_json::Value;
use testkit::LastroProcess;

use crate::support::{binary, folder, is_long};

/// What is checked of each answer. Whether a request that the document does not allow is refused is not: where a server
/// has no keys it asks for none, and that is all the tool finds.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,unsupported_method";

/// 501 is `not_supported`, 503 `overloaded`: both are documented answers, and 500 and 504 are none.
const CONFIG: &str =
    "[checks]\nnot_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", 501, 503]\n";

/// Schemathesis with this document, which a file or a server has.
fn schemathesis(folder: &Path, document: &str, more: &[&str]) -> Output {
    let config = folder.join("schemathesis.toml");
    std::fs::write(&config, CONFIG).unwrap();
    Command::new(testkit::servers::program("schemathesis").unwrap())
        .arg("--config-file")
        .arg(&config)
        .args(["run", document, "--checks", CHECKS])
        // One of its requests may wait behind a sync of a busy disk.
        .args(["--request-timeout", "60"])
        .args(more)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn every_answer_is_one_that_the_document_lists() {
    let folder = folder();
    let listen = "127.0.0.1:0".parse().unwrap();
    let processor = Running::start(listen, ProcessorSettings::official("default")).unwrap();
    let processor = format!("default={}", processor.url());
    let arguments = ["--demo", "--enable-purge", "--processor", &processor];
    let server = LastroProcess::serve(&binary(), &folder.path().join("data"), &arguments).unwrap();
    let (examples, seed) = match is_long() {
        true => ("200", uuid::Uuid::new_v4().as_fields().0.to_string()),
        false => ("10", "1".to_owned()),
    };
    let document = format!("{}/openapi.json", server.url());
    let more = [
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        examples,
        "--seed",
        &seed,
        // It waits for events, and its stream ends only after minutes.
        "--exclude-path",
        "/v1/events",
    ];
    let output = schemathesis(folder.path(), &document, &more);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "seed {seed}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tested = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Tested: "));
    let tested = tested.and_then(|count| count.parse::<usize>().ok());
    let is_most = tested.is_some_and(|tested| tested >= 29);
    assert!(is_most, "only {tested:?} operations were asked: {said}");
    assert!(server.stop().unwrap().success());
}

#[test]
fn an_answer_that_the_document_does_not_list_is_found() {
    let folder = folder();
    let data = folder.path().join("data");
    let server = LastroProcess::serve(&binary(), &data, &["--demo"]).unwrap();
    let mut document: Value = serde_json::from_str(&server::openapi_json()).unwrap();
    let answers = document["paths"]["/healthz"]["get"]["responses"]
        .as_object_mut()
        .unwrap();
    assert!(answers.remove("200").is_some());
    answers.retain(|status, _| status != "default");
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let more = ["--url", server.url(), "--include-path", "/healthz"];
    let output = schemathesis(folder.path(), file.to_str().unwrap(), &more);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("Undocumented status code"), "{said}");
    assert!(server.stop().unwrap().success());
}
