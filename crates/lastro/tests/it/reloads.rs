//! What is read again while the server runs.

use std::time::Duration;

use reqwest::StatusCode;

use crate::support::{folder, serve};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn sighup_does_not_end_the_server() {
    let folder = folder();
    let mut process = serve(folder.path());
    process.signal("HUP").unwrap();
    process
        .wait_for_log("SIGHUP: there is nothing to read again", PATIENCE)
        .unwrap();
    process.signal("HUP").unwrap();
    let url = format!("{}/readyz", process.url());
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(process.stop().unwrap().success());
}
