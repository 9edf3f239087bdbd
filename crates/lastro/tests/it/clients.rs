//! The clients in other languages: their types, their own tests over the real binary, and the
//! examples of their readmes, which must print what the readme says.

use std::path::{Path, PathBuf};
use std::process::Command;

use processor::{ProcessorSettings, Running};
use testkit::LastroProcess;

use crate::support::write_private;

/// Where a readme expects the server.
const ADDRESS: &str = "http://127.0.0.1:9999";

#[test]
fn the_python_client_keeps_its_types() {
    let mut command = Command::new(testkit::servers::program("mypy").unwrap());
    let cache = tempfile::tempdir().unwrap();
    command.arg("--cache-dir").arg(cache.path());
    succeed(command.current_dir(client("python")));
}

#[test]
fn the_python_client_passes_its_tests_over_the_real_binary() {
    let folder = tempfile::tempdir().unwrap();
    let processor = processor();
    let server = demo_that_pays(folder.path(), &processor);
    let mut command = python();
    command
        .current_dir(client("python").join("tests"))
        .env("LASTRO_URL", server.url())
        .args(["-m", "unittest", "--verbose"]);
    let said = succeed(&mut command);
    assert!(
        said.contains("test_both_clients_have_the_same_methods ("),
        "{said}"
    );
    assert!(
        said.contains("test_statements_are_walked_in_pages ("),
        "{said}"
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn the_examples_of_the_python_client_print_what_its_readme_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = demo(folder.path());
    let readme = std::fs::read_to_string(client("python").join("README.md")).unwrap();
    let examples = examples(&readme, "python");
    assert_eq!(examples.len(), 2);
    for example in examples {
        let code = example.code.replace(ADDRESS, server.url());
        assert_ne!(code, example.code, "no example reaches a server by itself");
        let printed = succeed(python().args(["-c", &code]));
        assert_eq!(printed, example.printed, "{}", example.code);
    }
}

#[test]
fn the_typescript_client_passes_its_tests_over_the_real_binary() {
    let folder = tempfile::tempdir().unwrap();
    let processor = processor();
    let server = demo_that_pays(folder.path(), &processor);
    let package = typescript_package(folder.path());
    let mut command = node();
    command
        .env("LASTRO_URL", server.url())
        .env("LASTRO_CLIENT", package.join("dist/index.js"))
        .args(["--test", "tests"])
        .current_dir(client("typescript"));
    let said = succeed(&mut command);
    assert!(
        said.contains("what has an id is sent until it is answered"),
        "{said}"
    );
    assert!(said.contains("statements are walked in pages"), "{said}");
    assert!(server.stop().unwrap().success());
}

#[test]
fn the_examples_of_the_typescript_client_print_what_its_readme_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = demo(folder.path());
    typescript_package(folder.path());
    let readme = std::fs::read_to_string(client("typescript").join("README.md")).unwrap();
    let examples = examples(&readme, "javascript");
    assert_eq!(examples.len(), 1);
    for example in examples {
        let code = example.code.replace(ADDRESS, server.url());
        let file = folder.path().join("example.mjs");
        std::fs::write(&file, code).unwrap();
        assert_eq!(
            succeed(node().arg(&file)),
            example.printed,
            "{}",
            example.code
        );
    }
}

/// Compiles the client as its package is, where a script in `folder` finds it by name.
fn typescript_package(folder: &Path) -> PathBuf {
    let package = folder.join("node_modules/lastro");
    std::fs::create_dir_all(&package).unwrap();
    let described = client("typescript").join("package.json");
    std::fs::copy(described, package.join("package.json")).unwrap();
    let mut command = Command::new(testkit::servers::program("tsc").unwrap());
    command.arg("--outDir").arg(package.join("dist"));
    succeed(command.arg("--project").arg(client("typescript")));
    package
}

fn node() -> Command {
    Command::new(testkit::servers::program("node").unwrap())
}

/// A block of code in a readme, with the block of text that follows it.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    code: String,
    printed: String,
}

fn examples(readme: &str, language: &str) -> Vec<Example> {
    let opening = format!("```{language}");
    let mut lines = readme.lines();
    let mut examples = Vec::new();
    while lines.any(|line| line == opening) {
        let code = block(&mut lines);
        assert!(
            lines.any(|line| line == "```text"),
            "an example prints nothing"
        );
        let printed = block(&mut lines);
        examples.push(Example { code, printed });
    }
    examples
}

/// The lines up to the end of a block.
fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    lines
        .take_while(|line| *line != "```")
        .map(|line| format!("{line}\n"))
        .collect()
}

fn client(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../clients")
        .join(language)
}

fn demo(folder: &Path) -> LastroProcess {
    let binary = LastroProcess::binary(env!("CARGO_BIN_EXE_lastro"));
    LastroProcess::serve(&binary, &folder.join("data"), &["--demo"]).unwrap()
}

fn processor() -> Running {
    let settings = ProcessorSettings::official("default");
    Running::start("127.0.0.1:0".parse().unwrap(), settings).unwrap()
}

fn demo_that_pays(folder: &Path, processor: &Running) -> LastroProcess {
    let binary = LastroProcess::binary(env!("CARGO_BIN_EXE_lastro"));
    let processor = format!("default={}", processor.url());
    // Nobody listens there: what is sent waits.
    let (config, secret) = (folder.join("lastro.toml"), folder.join("secret"));
    write_private(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let endpoint = format!(
        "[webhooks.orders]\nurl = 'http://127.0.0.1:9'\nallow_private = true\nsecret_files = ['{}']\n",
        secret.display()
    );
    std::fs::write(&config, endpoint).unwrap();
    let config = config.to_str().unwrap();
    let arguments = ["--demo", "--config", config, "--processor", &processor];
    LastroProcess::serve(&binary, &folder.join("data"), &arguments).unwrap()
}

/// Python with the packages of the client, from the environment that has mypy.
pub(crate) fn python() -> Command {
    let mypy = testkit::servers::program("mypy").unwrap();
    let mut command = Command::new(mypy.with_file_name("python3"));
    command
        .env("PYTHONPATH", client("python").join("src"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs the command, which must succeed, and returns what it printed.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command:?}\n{printed}{said}");
    // Python's own test runner says what it did on the error stream.
    if printed.is_empty() { said } else { printed }
}

#[test]
fn an_example_is_a_block_and_what_it_prints() {
    let readme =
        "```sh\nno\n```\n```python\na\n\nb\n```\nprints\n```text\n1\n```\n```text\n2\n```\n";
    let expected = Example {
        code: "a\n\nb\n".to_owned(),
        printed: "1\n".to_owned(),
    };
    assert_eq!(examples(readme, "python"), [expected]);
}
