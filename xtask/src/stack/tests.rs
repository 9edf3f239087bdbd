//! Profiles on other ports, and control groups in folders that only look like them.

use std::fs;
use std::path::PathBuf;

use testkit::control_group::{ControlGroup, Limits, Tree, Version, trees};

use super::profile::Profile;
use super::running::{Place, Stack};

const PROFILE: &str = r#"
summary = "a test"
url = "http://127.0.0.1:9999"
ready = "http://127.0.0.1:9999/readyz"
load = ["rinha-2024", "--target", "http://127.0.0.1:9999"]
ports = [9999, 9001, 5433]

[limits]
cpus = 1.5
memory_mb = 550

[[databases]]
kind = "postgres"
port = 5433
config = "postgresql.conf"
settings = { shared_buffers = "64MB" }

[[nodes]]
name = "node"
arguments = ["serve", "--listen", "127.0.0.1:9001", "--data-dir", "data9001x19001"]
ready = "http://127.0.0.1:9001/readyz"

[proxy]
kind = "nginx"
port = 9999
config = "nginx.conf"
"#;

fn profile(text: &str) -> anyhow::Result<Profile> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("profile.toml"), text)?;
    let config = "worker_connections 19999; listen 127.0.0.1:9999; server 127.0.0.1:9001;\n";
    fs::write(folder.path().join("nginx.conf"), config)?;
    let settings = "# why\nshared_buffers = 1MB\n\nfsync = on  # always\nwork_mem='4 MB'\n";
    fs::write(folder.path().join("postgresql.conf"), settings)?;
    Profile::read_from(folder.path())
}

#[test]
fn every_port_of_a_profile_is_moved_and_no_other_number() {
    let profile = profile(PROFILE).unwrap().moved_by(100).unwrap();
    assert_eq!(profile.url, "http://127.0.0.1:10099");
    assert_eq!(profile.ready, "http://127.0.0.1:10099/readyz");
    assert_eq!(profile.load[2], "http://127.0.0.1:10099");
    let node = &profile.nodes[0];
    assert_eq!(node.arguments[2], "127.0.0.1:9101");
    assert_eq!(node.arguments[4], "data9101x19001");
    assert_eq!(node.ready.as_deref(), Some("http://127.0.0.1:9101/readyz"));
    let proxy = profile.proxy.unwrap();
    assert_eq!((proxy.port, profile.databases[0].port), (10_099, 5_533));
    let config = "worker_connections 19999; listen 127.0.0.1:10099; server 127.0.0.1:9101;\n";
    assert_eq!(proxy.text, config);
}

#[test]
fn a_databases_settings_come_from_its_file_and_from_the_profile() {
    let profile = profile(PROFILE).unwrap();
    let settings: Vec<_> = profile.databases[0].settings.iter().collect();
    let settings: Vec<_> = settings.iter().map(|(a, b)| (&***a, &***b)).collect();
    let expected = [
        ("fsync", "on"),
        ("shared_buffers", "64MB"),
        ("work_mem", "4 MB"),
    ];
    assert_eq!(settings, expected);
}

#[test]
fn what_is_wrong_with_a_profile_is_told() {
    let error = |from: &str, to: &str| {
        let profile = profile(&PROFILE.replace(from, to)).and_then(|it| it.moved_by(60_000));
        format!("{:#}", profile.unwrap_err())
    };
    assert!(error("\"nginx\"", "\"squid\"").contains("nginx, haproxy, envoy"));
    assert!(error("ready =", "redy =").contains("redy"));
    assert!(error("nginx.conf", "absent.conf").contains("absent.conf"));
    assert!(error("[9999, 9001, 5433]", "[1]").contains("not in the profile's list"));
    assert!(error("a test", "past").contains("past 65535"));
}

#[test]
fn every_profile_of_the_repository_can_be_read_and_moved() {
    let profiles = Profile::all().unwrap();
    let names: Vec<_> = profiles.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"single"), "{names:?}");
    assert!(names.contains(&"rinha-2024-nginx"), "{names:?}");
    assert!(names.contains(&"rinha-2024-postgres-nginx"), "{names:?}");
    for (name, profile) in profiles {
        let moved = profile.moved_by(1).unwrap();
        assert!(moved.url.starts_with("http://127.0.0.1:"), "{name}");
    }
}

#[test]
fn the_trees_of_both_versions_are_found() {
    let mounts = "\
30 25 0:26 / /nowhere/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 /docker/ab /nowhere/cpu rw,nosuid - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /nowhere/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /nowhere/pids rw - cgroup cgroup rw,pids
34 30 0:30 / /nowhere/unified rw - cgroup2 cgroup2 rw
";
    let groups = "3:cpu,cpuacct:/docker/ab/x\n2:memory:/\n1:pids:/\n0::/\n";
    let tree = |controller: &str| Tree {
        version: Version::One,
        controllers: vec![controller.to_owned()],
        root: PathBuf::from(format!("/nowhere/{controller}")),
        own: PathBuf::from(format!("/nowhere/{controller}")),
    };
    assert_eq!(trees(mounts, groups), [tree("cpu"), tree("memory")]);

    let folder = tempfile::tempdir().unwrap();
    let (root, own) = (folder.path().to_owned(), folder.path().join("a/b"));
    fs::create_dir_all(&own).unwrap();
    fs::write(
        root.join("cgroup.controllers"),
        "cpuset cpu io memory pids\n",
    )
    .unwrap();
    let mounts = format!("30 25 0:26 / {} rw - cgroup2 cgroup2 rw\n", root.display());
    let tree = Tree {
        version: Version::Two,
        controllers: vec!["cpu".to_owned(), "memory".to_owned()],
        root,
        own,
    };
    assert_eq!(trees(&mounts, "0::/a/b\n"), [tree]);
}

const LIMITS: Limits = Limits {
    cpus: Some(1.5),
    memory_mb: Some(550),
};

#[test]
fn version_2_takes_both_limits_in_the_nearest_group_that_can() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    // A folder where a file should be cannot be written: this group cannot have limited children.
    fs::create_dir_all(root.join("a/b/cgroup.subtree_control")).unwrap();
    let tree = Tree {
        version: Version::Two,
        controllers: vec!["cpu".to_owned(), "memory".to_owned()],
        own: root.join("a/b"),
        root: root.clone(),
    };
    let group = ControlGroup::make_in(&[tree], "stack", LIMITS);
    assert_eq!(group.description(), "1.5 CPUs and 550 MB over all of it");
    let made = root.join("a/stack");
    let written = |file| fs::read_to_string(made.join(file)).unwrap();
    assert_eq!(
        (written("cpu.max"), written("memory.max")),
        ("150000 100000".into(), "576716800".into())
    );
    let words = group.launcher();
    assert_eq!(words.len(), 6, "one group for both: {words:?}");
    // What a real group has no files of its own for.
    for file in ["cpu.max", "memory.max"] {
        fs::remove_file(made.join(file)).unwrap();
    }
    drop(group);
    assert!(!made.exists());
}

#[test]
fn version_1_takes_each_limit_in_its_tree_and_what_is_refused_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let tree = |controller: &str, own: &str| Tree {
        version: Version::One,
        controllers: vec![controller.to_owned()],
        root: folder.path().join(controller),
        own: folder.path().join(controller).join(own),
    };
    fs::create_dir_all(folder.path().join("cpu/own")).unwrap();
    let trees = [tree("cpu", "own"), tree("memory", "absent")];
    let group = ControlGroup::make_in(&trees, "stack", LIMITS);
    let text = group.description();
    assert!(
        text.starts_with("1.5 CPUs over all of it; NOT APPLIED: 550 MB ("),
        "{text}"
    );
    let made = folder.path().join("cpu/own/stack");
    let quota = fs::read_to_string(made.join("cpu.cfs_quota_us")).unwrap();
    assert_eq!(quota, "150000");
    // The kernel counts there; nobody waited for it here.
    fs::write(made.join("cpu.stat"), "nr_periods 40\nnr_throttled 3\n").unwrap();
    let usage = "throttled in 3 of 40 periods of 100 ms";
    assert_eq!(group.usage().as_deref(), Some(usage));
    fs::remove_dir_all(&made).unwrap();
    drop(group);

    let none = ControlGroup::make_in(&[], "stack", LIMITS);
    assert!(none.description().contains("no control group for it"));
    assert!(none.launcher().is_empty());
}

const DATABASES: &str = r#"
summary = "databases, something that runs, and a proxy that answers by itself"
url = "http://127.0.0.1:9999"
ready = "http://127.0.0.1:9999/"
load = []
ports = [9999, 5433, 6380]
[limits]
memory_mb = 550
[[databases]]
kind = "postgres"
port = 5433
settings = { application_name = "of the profile" }
[[databases]]
kind = "redis"
port = 6380
settings = { appendonly = "yes" }
[[nodes]]
name = "node"
arguments = ["-c", "trap 'exit 0' TERM; cat /proc/$$/cgroup >group; while :; do sleep 0.02; done"]
[[nodes]]
name = "elsewhere"
outside_limits = true
arguments = ["-c", "trap 'exit 0' TERM; cat /proc/$$/cgroup >group; cp '{profile}/haproxy.cfg' .; while :; do sleep 0.02; done"]
[proxy]
kind = "haproxy"
port = 9999
config = "haproxy.cfg"
"#;

const HAPROXY: &str = "defaults
    mode http
    timeout client 5s
frontend front
    bind 127.0.0.1:9999
    http-request return status 200
";

#[test]
fn databases_nodes_and_proxy_run_together_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    fs::write(folder.path().join("profile.toml"), DATABASES).unwrap();
    fs::write(folder.path().join("haproxy.cfg"), HAPROXY).unwrap();
    let profile = Profile::read_from(folder.path()).unwrap();
    // Another distance for each run of the tests, as far as that goes.
    let offset = 15_000 + u16::try_from(std::process::id() % 5_000).unwrap();
    let profile = profile.moved_by(offset).unwrap();
    let data = folder.path().join("data");
    let place = Place::named(&data).unwrap();
    let mut stack = Stack::start(&profile, "/bin/sh".as_ref(), place).unwrap();
    assert_eq!(stack.ended(), None);
    let text = stack.description();
    for part in ["postgres", "redis", "node", "haproxy", "550 MB", "(kept)"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    stack.stop().unwrap();
    let group = |node: &str| fs::read_to_string(data.join(node).join("group")).unwrap();
    let is_limited = |node: &str| group(node).contains("lastro-stack-");
    assert_eq!(is_limited("node"), !text.contains("NOT APPLIED"), "{text}");
    assert!(
        !is_limited("elsewhere") && text.contains(", but for elsewhere"),
        "{text}"
    );
    assert!(
        data.join("elsewhere/haproxy.cfg").exists(),
        "files of the profile can be named"
    );
    let settings = fs::read_to_string(data.join("postgres/data/postgresql.conf")).unwrap();
    assert!(settings.contains("application_name = 'of the profile'"));
    assert!(data.join("redis/appendonlydir").exists());
    for port in [9_999, 5_433, 6_380].map(|port| port + offset) {
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
            "{port}"
        );
    }
}
