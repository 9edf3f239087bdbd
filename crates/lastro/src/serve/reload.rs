//! What is read again while the server runs: at SIGHUP, and when one of its files has changed.
//!
//! The files are looked at once a second: that works on every file system, and costs one `stat` for each. A
//! change is acted upon when a second look finds the files the same, so that a certificate and its key,
//! written one after the other, are read together. SIGHUP does not wait for that.
//!
//! What cannot be read again changes nothing: what was in force stays in force. It is tried again at every look,
//! since the reason may pass without a change of the files, and revoked keys are refused only once it has worked.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The parts of the server that can be read again.
pub(super) struct Reloads {
    hangup: Signal,
    parts: Parts,
}

#[derive(Default)]
struct Parts(Vec<Part>);

struct Part {
    /// A noun for the log, such as `the certificate of gRPC`.
    name: String,
    files: WatchedFiles,
    /// What the files looked like when they were read last, whether they could be used or not.
    read: Looks,
    /// What they looked like at the last look.
    seen: Looks,
    /// They could not be used when they were read last, and the log says so.
    has_failed: bool,
    reload: Box<dyn FnMut() -> anyhow::Result<()> + Send>,
}

/// Files as they were before something was made of them.
pub(super) struct WatchedFiles {
    paths: Vec<PathBuf>,
    looks: Looks,
}

/// What each file looks like; `None` if it cannot be looked at.
type Looks = Vec<Option<Look>>;

/// What differs when a file has been written, replaced, or given other permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Reloads {
    /// From now on SIGHUP does not end the process. Needs to be in a runtime.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
            parts: Parts::default(),
        })
    }

    /// Calls `reload` at SIGHUP and when one of the files has changed. It may block. If it fails, it must have
    /// changed nothing, and its error has to say which file is wrong and why.
    pub(super) fn add(
        &mut self,
        name: impl Into<String>,
        files: WatchedFiles,
        reload: impl FnMut() -> anyhow::Result<()> + Send + 'static,
    ) {
        self.parts.add(name.into(), files, Box::new(reload));
    }

    /// Calls `reload` at SIGHUP alone: for what is in no file, and is read again by somebody else from time to
    /// time. It may block; if it fails, it must have changed nothing.
    pub(super) fn add_without_files(
        &mut self,
        name: impl Into<String>,
        reload: impl FnMut() -> anyhow::Result<()> + Send + 'static,
    ) {
        self.add(name, WatchedFiles::new([]), reload);
    }

    /// Watches until the process ends. Needs to be in a runtime.
    pub(super) fn start(self) {
        tokio::spawn(self.run());
    }

    async fn run(mut self) {
        let mut interval = tokio::time::interval(LOOK_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reload: fn(&mut Parts) = tokio::select! {
                // The signals are of no more use only when the runtime ends.
                hangup = self.hangup.recv() => match hangup {
                    Some(()) => Parts::reload_all,
                    None => return,
                },
                _ = interval.tick(), if !self.parts.0.is_empty() => Parts::reload_changed,
            };
            let mut parts = self.parts;
            // A file may be on a disk that takes its time.
            let worked = tokio::task::spawn_blocking(move || {
                reload(&mut parts);
                parts
            });
            self.parts = match worked.await {
                Ok(parts) => parts,
                Err(error) => {
                    tracing::error!(
                        %error,
                        "RELOADING HAS STOPPED after an error in the program: what was read before stays in \
                         force, and changed files and SIGHUP have no effect; restart the server to read them"
                    );
                    // SIGHUP must not end the process now either: its handler stays.
                    return;
                }
            };
        }
    }
}

impl Parts {
    fn add(
        &mut self,
        name: String,
        files: WatchedFiles,
        reload: Box<dyn FnMut() -> anyhow::Result<()> + Send>,
    ) {
        self.0.push(Part {
            name,
            read: files.looks.clone(),
            seen: files.looks.clone(),
            has_failed: false,
            files,
            reload,
        });
    }

    /// Reads everything again.
    fn reload_all(&mut self) {
        if self.0.is_empty() {
            tracing::info!(
                "SIGHUP: there is nothing to read again, since no certificate and no other file that can change \
                 while the server runs is configured"
            );
        }
        for part in &mut self.0 {
            part.seen = part.files.look();
            part.has_failed = false;
            part.reload();
        }
    }

    /// Reads again what has changed and is no longer changing.
    fn reload_changed(&mut self) {
        let with_files = |part: &&mut Part| !part.files.paths.is_empty();
        for part in self.0.iter_mut().filter(with_files) {
            let looks = part.files.look();
            let is_settled = looks == part.seen;
            part.seen = looks;
            let has_changed = part.seen != part.read;
            if is_settled && (has_changed || part.has_failed) {
                // A failure is logged once for each change.
                part.has_failed &= !has_changed;
                part.reload();
            }
        }
    }
}

impl Part {
    fn reload(&mut self) {
        // What they looked like before they are read: a change meanwhile is one to come.
        self.read.clone_from(&self.seen);
        let name = &self.name;
        match (self.reload)() {
            Ok(()) => {
                self.has_failed = false;
                tracing::info!("{name}: read again, and in force from now on");
            }
            Err(error) => {
                let what_next = match self.files.paths.is_empty() {
                    true => "It is tried again every few seconds",
                    false => "Correct the file: it is tried again every second",
                };
                if !self.has_failed {
                    tracing::error!(
                        "CANNOT RELOAD {name}: {error:#}. What was read before stays in force. {what_next}"
                    );
                }
                self.has_failed = true;
            }
        }
    }
}

impl WatchedFiles {
    /// Takes note of what the files look like. Call it before they are read for the first time: then no change
    /// is missed.
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut files = Self {
            paths: paths.into_iter().collect(),
            looks: Looks::new(),
        };
        files.looks = files.look();
        files
    }

    fn look(&self) -> Looks {
        let look = |path: &PathBuf| path.metadata().ok().map(|found| Look::of(&found));
        self.paths.iter().map(look).collect()
    }
}

impl Look {
    fn of(found: &std::fs::Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A part over files; it fails while the first one says so.
    fn part(paths: &[&Path]) -> (Parts, Arc<AtomicUsize>) {
        let reloads_count = Arc::new(AtomicUsize::new(0));
        let (counted, first) = (Arc::clone(&reloads_count), paths[0].to_owned());
        let files = WatchedFiles::new(paths.iter().map(|&path| path.to_owned()));
        let mut parts = Parts::default();
        let reload = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            anyhow::ensure!(fs::read_to_string(&first)? != "wrong", "it is wrong");
            Ok(())
        };
        parts.add("the test".to_owned(), files, Box::new(reload));
        (parts, reloads_count)
    }

    #[test]
    fn a_change_is_read_once_it_has_settled_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
        fs::write(&cert, "1").unwrap();
        fs::write(&key, "1").unwrap();
        let (mut parts, count) = part(&[&cert, &key]);
        let mut look = || {
            parts.reload_changed();
            count.load(Ordering::Relaxed)
        };
        assert_eq!((look(), look()), (0, 0), "nothing has changed");
        fs::write(&cert, "two").unwrap();
        assert_eq!(look(), 0, "the key may be still to come");
        fs::write(&key, "two").unwrap();
        assert_eq!(look(), 0);
        assert_eq!((look(), look(), look()), (1, 1, 1));
        // Replaced by a rename, with the same length.
        let other = folder.path().join("other");
        fs::write(&other, "2wo").unwrap();
        fs::rename(&other, &cert).unwrap();
        assert_eq!((look(), look(), look()), (1, 2, 2));
        // Other permissions alone may be what was missing.
        fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!((look(), look(), look()), (2, 3, 3));
    }

    #[test]
    fn what_failed_is_tried_again_until_it_works() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "right").unwrap();
        let (mut parts, count) = part(&[&file]);
        fs::remove_file(&file).unwrap();
        for expected in [0, 1, 2, 3] {
            parts.reload_changed();
            assert_eq!(count.load(Ordering::Relaxed), expected);
        }
        fs::write(&file, "wrong").unwrap();
        for expected in [3, 4, 5] {
            parts.reload_changed();
            assert_eq!(count.load(Ordering::Relaxed), expected);
        }
        parts.reload_all();
        assert_eq!(count.load(Ordering::Relaxed), 6, "SIGHUP does not ask");
        fs::write(&file, "right again").unwrap();
        parts.reload_all();
        parts.reload_changed();
        assert_eq!(count.load(Ordering::Relaxed), 7, "SIGHUP has read it");
    }

    /// As when there was no descriptor left for a moment.
    #[test]
    fn a_failure_that_passes_by_itself_loses_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "1").unwrap();
        let mut failures = 2;
        let used = Arc::new(AtomicUsize::new(0));
        let in_force = Arc::clone(&used);
        let reload = move || {
            failures -= 1;
            anyhow::ensure!(failures < 0, "too many open files");
            in_force.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let mut parts = Parts::default();
        let files = WatchedFiles::new([file.clone()]);
        parts.add("the test".to_owned(), files, Box::new(reload));
        fs::write(&file, "two").unwrap();
        for expected in [0, 0, 0, 1, 1] {
            parts.reload_changed();
            assert_eq!(used.load(Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn a_change_before_the_first_read_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let files = WatchedFiles::new([file.clone()]);
        fs::write(&file, "it came later").unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let (counted, mut parts) = (Arc::clone(&count), Parts::default());
        let reload = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        parts.add("the test".to_owned(), files, Box::new(reload));
        parts.reload_changed();
        parts.reload_changed();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
