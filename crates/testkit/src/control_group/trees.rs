//! The trees of control groups that this system has, and where a group can be made in them.
//!
//! Version 2 has one tree with every controller, version 1 a tree for each. A group is made below
//! the one this process is in, so that limits above hold too. In version 2 a group with processes
//! cannot have limited children: then the nearest one above that can takes it.

use std::fs;
use std::path::{Path, PathBuf};

/// The version of the kernel's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A tree for each controller.
    One,
    /// One tree for all.
    Two,
}

/// A mounted tree of groups and our place in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Tree {
    /// Of the interface.
    pub version: Version,
    /// What it can limit.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub root: PathBuf,
    /// The group we are in, as far as it can be seen.
    pub own: PathBuf,
}

impl Tree {
    /// Makes a group: below our own one, in version 2 below the nearest that may have limits.
    pub(super) fn make(&self, name: &str) -> Result<PathBuf, String> {
        let mut first_error = None;
        let places: Vec<&Path> = match self.version {
            Version::One => vec![&self.own],
            Version::Two => self
                .own
                .ancestors()
                .take_while(|place| place.starts_with(&self.root))
                .collect(),
        };
        for place in places {
            match self.make_below(place, name) {
                Ok(made) => return Ok(made),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| "no place for a group".to_owned()))
    }

    fn make_below(&self, place: &Path, name: &str) -> Result<PathBuf, String> {
        if self.version == Version::Two {
            let control = place.join("cgroup.subtree_control");
            let given = fs::read_to_string(&control).unwrap_or_default();
            for controller in &self.controllers {
                if !given.split_whitespace().any(|word| word == controller) {
                    write(&control, &format!("+{controller}"))?;
                }
            }
        }
        let folder = place.join(name);
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }
}

/// The trees that can limit processors or memory, from `/proc/self/mountinfo` (see proc(5)) and
/// `/proc/self/cgroup` (see cgroups(7)). A controller is in one of them only.
#[must_use]
pub fn trees(mounts: &str, groups: &str) -> Vec<Tree> {
    let mounts = mounts.lines().filter_map(Mount::read);
    let trees = mounts.filter_map(|mount| {
        let version = match mount.kind {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let root = PathBuf::from(mount.point);
        let known: Vec<String> = match version {
            Version::One => mount.options.split(',').map(str::to_owned).collect(),
            Version::Two => fs::read_to_string(root.join("cgroup.controllers"))
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        };
        let limiting = |name: &String| ["cpu", "memory"].contains(&name.as_str());
        let controllers: Vec<String> = known.into_iter().filter(limiting).collect();
        let own = own_group(groups, version, controllers.first()?)?;
        // Inside of a container the path may begin with what is mounted.
        let below = own.strip_prefix(mount.root).unwrap_or(own);
        let own = root.join(below.trim_start_matches('/'));
        let own = if own.is_dir() { own } else { root.clone() };
        Some(Tree {
            version,
            controllers,
            root,
            own,
        })
    });
    trees.collect()
}

/// `4:memory:/a/b` is a group of version 1, `0::/a/b` of version 2.
fn own_group<'a>(groups: &'a str, version: Version, controller: &str) -> Option<&'a str> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let is_it = match version {
            Version::One => controllers.split(',').any(|name| name == controller),
            Version::Two => controllers.is_empty(),
        };
        is_it.then_some(path)
    })
}

struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        Some(Self {
            root: before.next()?,
            point: before.next()?,
            kind: after.next()?,
            options: after.nth(1)?,
        })
    }
}

/// Writes a setting; an error names its file.
pub(super) fn write(path: &Path, value: &str) -> Result<(), String> {
    fs::write(path, value).map_err(|error| format!("{}: {error}", path.display()))
}
