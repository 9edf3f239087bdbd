//! Who runs a server that refuses to run as root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The users to run as, the better one first.
const NAMES: &[&str] = &["postgres", "nobody"];

/// An unprivileged user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl User {
    /// Whom to become; `None` when this process is not root's.
    pub(super) fn to_become() -> Result<Option<Self>, String> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let known = fs::read_to_string("/etc/passwd")
            .map_err(|error| format!("cannot read /etc/passwd: {error}"))?;
        let user = NAMES.iter().find_map(|name| Self::read(&known, name));
        let missing = || {
            let names = NAMES.join(" nor ");
            format!("PostgreSQL refuses to run as root, and there is neither {names}")
        };
        user.map(Some).ok_or_else(missing)
    }

    /// The words that start what follows as this user.
    pub(super) fn launcher(&self) -> Result<Vec<String>, String> {
        let setpriv = super::program("setpriv")?;
        Ok(vec![
            setpriv.display().to_string(),
            format!("--reuid={}", self.uid),
            format!("--regid={}", self.gid),
            "--clear-groups".to_owned(),
        ])
    }

    /// Makes this user the owner.
    pub(super) fn own(&self, path: &Path) -> Result<(), String> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(|error| format!("cannot give {} to {}: {error}", path.display(), self.name))
    }

    /// Whether each folder on the way lets this user pass.
    fn reaches(&self, folder: &Path) -> bool {
        folder.ancestors().all(|folder| {
            folder.metadata().is_ok_and(|found| {
                let passes = if found.uid() == self.uid {
                    0o100
                } else if found.gid() == self.gid {
                    0o010
                } else {
                    0o001
                };
                found.mode() & passes != 0
            })
        })
    }

    /// A line of passwd(5): name, password, uid, gid, and more.
    fn read(known: &str, name: &str) -> Option<Self> {
        let line = known
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some(Self {
            name: name.to_owned(),
            uid: fields.next()?.ok()?,
            gid: fields.next()?.ok()?,
        })
    }
}

/// Whether a PostgreSQL started here could keep its data below this folder: started by root, it
/// runs as another user, whom each folder on the way must let pass.
#[must_use]
pub fn can_reach(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else {
        return false;
    };
    match User::to_become() {
        Ok(Some(user)) => user.reaches(&folder),
        Ok(None) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn users_are_read() {
        let known = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:n:/:/bin/false\n";
        let nobody = User::read(known, "nobody").unwrap();
        assert_eq!((nobody.uid, nobody.gid), (65534, 65533));
        assert_eq!(User::read(known, "body"), None);
        assert_eq!(User::read("nobody:x:", "nobody"), None);
    }

    #[test]
    fn a_closed_folder_on_the_way_is_seen() {
        let stranger = User {
            name: "stranger".to_owned(),
            uid: 4_000_000_001,
            gid: 4_000_000_001,
        };
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for (mode, reaches) in [(0o700, false), (0o766, false), (0o711, true)] {
            fs::set_permissions(folder.path(), PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(stranger.reaches(&inner), reaches, "{mode:o}");
        }
    }
}
