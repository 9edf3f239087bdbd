//! The files of `deploy/kubernetes`: against the published schemas, and against the flags of the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::stack::binary;

/// Kinds of Kubernetes itself; the ServiceMonitor is one of the Prometheus operator.
const OF_KUBERNETES: [&str; 3] = ["begin.yaml", "all.yaml", "nodes.yaml"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes")
}

fn validate(file: &Path) -> Output {
    let program = testkit::servers::program("kubernetes-validate").unwrap();
    let mut command = Command::new(program);
    command.arg("--strict").arg(file).output().unwrap()
}

#[test]
fn the_schemas_of_kubernetes_accept_the_files() {
    for name in OF_KUBERNETES {
        let path = folder().join(name);
        let validated = validate(&path);
        let said = String::from_utf8_lossy(&validated.stdout).into_owned()
            + &String::from_utf8_lossy(&validated.stderr);
        assert!(validated.status.success(), "{said}");
        let text = fs::read_to_string(&path).unwrap();
        let documents = text.split("\n---\n").count();
        assert_eq!(
            said.matches(" passed for resource ").count(),
            documents,
            "{said}"
        );
    }
}

#[test]
fn the_schemas_refuse_a_field_that_is_not_known() {
    let text = fs::read_to_string(folder().join("all.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    let changed = text.replace("readOnlyRootFilesystem:", "readOnlyRootFileSystem:");
    assert_ne!(changed, text);
    fs::write(&file, changed).unwrap();
    assert!(!validate(&file).status.success());
}

#[test]
fn every_flag_and_variable_is_one_of_the_server() {
    let help = Command::new(binary())
        .args(["serve", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut count = 0;
    for name in OF_KUBERNETES {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let words = text.split(|letter: char| letter.is_whitespace() || "=,{}`()".contains(letter));
        let is_flag = |rest: &str| rest.starts_with(|letter: char| letter.is_ascii_lowercase());
        let ours = |word: &&str| {
            word.starts_with("LASTRO_") || word.strip_prefix("--").is_some_and(is_flag)
        };
        for word in words.filter(ours) {
            assert!(help.contains(word), "{name}: {word} is not known");
            count += 1;
        }
    }
    assert!(count > 10, "only {count} were found");
}
