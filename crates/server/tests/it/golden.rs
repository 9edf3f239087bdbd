//! The OpenAPI document as it is committed.

use std::path::Path;

use crate::support::five;

#[tokio::test]
async fn the_openapi_document_is_the_committed_one() {
    let (face, _) = five().await;
    let served = face.get("/openapi.json").await;
    assert_eq!(
        (served.status, &*served.content_type),
        (200, "application/json")
    );

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let current = server::openapi_json();
    assert_eq!(
        served.body,
        serde_json::from_str::<serde_json::Value>(&current).unwrap()
    );
    if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi.json differs from what the server says. Where that is meant, run \
         `LASTRO_UPDATE_GOLDEN=1 cargo test -p server golden` and commit the file"
    );
}
