//! What every server's process must do, shown with small shell scripts.

use std::process::Command;
use std::time::Duration;

use super::{ServerProcess, StopSignal};

const BOUND: Duration = Duration::from_secs(20);

fn shell(script: &str, folder: &tempfile::TempDir) -> ServerProcess {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder.path());
    ServerProcess::spawn("script", command, &folder.path().join("log")).unwrap()
}

fn is_alive(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + BOUND;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_that_ends_before_it_is_ready_shows_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell("echo no such setting; exit 3", &folder);
    let error = process.wait_until(BOUND, || false).unwrap_err();
    assert!(error.contains("exit status: 3"), "{error}");
    assert!(error.ends_with("no such setting"), "{error}");
}

#[test]
fn one_that_is_never_ready_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell("exec sleep 1000", &folder);
    let error = process.wait_until(Duration::from_millis(20), || false);
    assert!(error.unwrap_err().contains("is not ready after 20ms"));
}

#[test]
fn a_stop_is_heard_and_one_that_is_not_ends_in_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'exit 7' TERM; touch up; while :; do sleep 0.01; done";
    let mut process = shell(script, &folder);
    let up = folder.path().join("up");
    process.wait_until(BOUND, || up.exists()).unwrap();
    let status = process.stop(StopSignal::Terminate, BOUND).unwrap();
    assert_eq!(status.code(), Some(7));

    std::fs::remove_file(&up).unwrap();
    let mut deaf = shell("trap '' TERM; touch up; exec sleep 1000", &folder);
    deaf.wait_until(BOUND, || up.exists()).unwrap();
    let id = deaf.id().to_string();
    let error = deaf.stop(StopSignal::Terminate, Duration::from_millis(50));
    assert!(error.unwrap_err().contains("was killed"));
    assert!(!is_alive(&id));
}

#[test]
fn its_children_go_with_it_also_those_that_left_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let script = "setsid sleep 1000 & echo $! >left; sleep 1000 & echo $! >stayed; wait";
    let process = shell(script, &folder);
    let id_in = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        text.trim().to_owned()
    };
    wait_for("it starts its children", || !id_in("stayed").is_empty());
    process.kill();
    for id in [id_in("left"), id_in("stayed")] {
        assert!(!is_alive(&id), "{id}");
    }
}

/// A test that is killed cannot drop anything.
#[test]
fn the_guardian_kills_the_group_when_its_input_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = shell("exec sleep 1000", &folder);
    process.close_the_guardians_input();
    wait_for("the guardian kills it", || process.ended().is_some());
}
