//! The OpenAPI document as it is committed, and as others read it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::five;

#[tokio::test]
async fn the_openapi_document_is_the_committed_one() {
    let (face, _) = five().await;
    let served = face.get("/openapi.json").await;
    assert_eq!(
        (served.status, &*served.content_type),
        (200, "application/json")
    );

    let current = server::openapi_json();
    assert_eq!(
        served.body,
        serde_json::from_str::<Value>(&current).unwrap()
    );
    committed("docs/openapi.json", &current);
}

/// Compares the repository's file with what the server says.
fn committed(file: &str, current: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file);
    if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "{file} differs from what the server says. Where that is meant, run \
         `LASTRO_UPDATE_GOLDEN=1 cargo test -p server golden` and commit the file"
    );
}

#[test]
fn the_page_of_the_error_codes_is_the_committed_one() {
    committed("docs/errors.md", &server::errors_markdown());
}

/// Runs the validator that many generators of clients are built on.
fn validate(document: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document).unwrap();
    let program = testkit::servers::program("openapi-spec-validator").unwrap();
    Command::new(program).arg(&file).output().unwrap()
}

#[test]
fn a_validator_accepts_the_openapi_document() {
    let validated = validate(&server::openapi_json());
    let printed = String::from_utf8_lossy(&validated.stdout);
    assert!(validated.status.success(), "{printed}");
}

#[test]
fn the_validator_refuses_an_operation_id_that_is_there_twice() {
    let mut document: Value = serde_json::from_str(&server::openapi_json()).unwrap();
    let of_transfer = document["paths"]["/v1/transfers"]["post"]["operationId"].clone();
    assert!(of_transfer.is_string(), "{of_transfer}");
    document["paths"]["/v1/batches"]["post"]["operationId"] = of_transfer.clone();

    let validated = validate(&document.to_string());
    let printed = String::from_utf8_lossy(&validated.stdout);
    assert!(!validated.status.success(), "{printed}");
    assert!(
        printed.contains(of_transfer.as_str().unwrap()) && printed.contains("not unique"),
        "{printed}"
    );
}
