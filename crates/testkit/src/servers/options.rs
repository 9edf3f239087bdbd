//! How and where a server is started.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What may be asked of a server's start. By default: a free port, a temporary folder.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Its port on loopback; a free one when `None`.
    pub port: Option<u16>,
    /// Its folder, which is made when it is not there and stays afterwards; a temporary one when
    /// `None`.
    pub folder: Option<PathBuf>,
    /// The words before the program, such as a shell that joins a control group and then executes
    /// the rest of its arguments.
    pub launcher: Vec<OsString>,
    /// Settings of PostgreSQL or Redis beside those that the start decides.
    pub settings: Vec<(String, String)>,
}

impl ServerOptions {
    /// The defaults, with these settings.
    #[must_use]
    pub fn with_settings(settings: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            settings: settings.iter().map(owned).collect(),
            ..Self::default()
        }
    }

    pub(super) fn folder(&self, name: &str) -> Result<Folder, String> {
        Folder::prepare(name, self.folder.as_deref())
    }
}

/// The program behind the words of a launcher.
pub(super) fn command<S: AsRef<OsStr>>(
    launcher: impl IntoIterator<Item = S>,
    program: impl AsRef<OsStr>,
) -> Command {
    let mut words = launcher.into_iter();
    match words.next() {
        None => Command::new(program),
        Some(first) => {
            let mut command = Command::new(first);
            command.args(words).arg(program);
            command
        }
    }
}

/// A server's folder; a temporary one goes when it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Folder {
    pub(super) fn prepare(name: &str, named: Option<&Path>) -> Result<Self, String> {
        let failed = |error| format!("no folder for {name}: {error}");
        let (path, temporary) = match named {
            Some(path) => {
                fs::create_dir_all(path).map_err(failed)?;
                (path.canonicalize().map_err(failed)?, None)
            }
            None => {
                let prefix = format!("lastro-{name}-");
                let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
                let folder = folder.map_err(failed)?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        // Servers started by root have workers of another user.
        fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(failed)?;
        Ok(Self {
            path,
            _temporary: temporary,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the server's output goes.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log")
    }
}
