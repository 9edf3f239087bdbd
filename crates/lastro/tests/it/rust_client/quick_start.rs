//! The quick start of the client's readme.

use std::path::Path;
use std::process::Command;

use crate::support::{folder, serve};

#[test]
fn the_quick_start_prints_what_the_readme_says() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client");
    let readme = std::fs::read_to_string(crates.join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```rust,no_run\n").unwrap();
    let (code, rest) = rest.split_once("```\n").unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    let (printed, _) = rest.split_once("```\n").unwrap();
    let example = std::fs::read_to_string(crates.join("examples/quick_start.rs")).unwrap();
    let (_, example) = example.split_once("\n\n").unwrap();
    assert_eq!(code, example, "the readme has the example word for word");

    let folder = folder();
    let server = serve(folder.path());
    let deps = std::env::current_exe().unwrap();
    let binary = deps
        .parent()
        .unwrap()
        .with_file_name("examples/quick_start");
    let output = Command::new(&binary)
        .env("LASTRO_URL", server.url())
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; `cargo test --workspace` builds it",
            binary.display()
        )
    });
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), printed);
}
