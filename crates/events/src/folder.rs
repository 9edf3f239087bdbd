//! Endpoints kept in files of a folder, which one process has for itself.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use stdx::whole_file;

use crate::store::{Claim, EndpointStore, StoreError, Stored, Written};

/// A folder with a file for each endpoint. The process has it for itself: it is in a data folder that is locked.
#[derive(Debug, Clone)]
pub struct EndpointFolder {
    folder: PathBuf,
}

impl EndpointFolder {
    /// The endpoints in this folder. It is made when it is needed.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn file(&self, endpoint: &str) -> PathBuf {
        self.folder.join(format!("{endpoint}.state"))
    }
}

impl EndpointStore for EndpointFolder {
    fn claim<'a>(&'a self, _: &'a str) -> Stored<'a, Claim> {
        Box::pin(async { Ok(Claim::Held { lasts: None }) })
    }

    fn renew<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Claim> {
        self.claim(endpoint)
    }

    fn release<'a>(&'a self, _: &'a str) -> Stored<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn read<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Option<Vec<u8>>> {
        let file = self.file(endpoint);
        in_thread(move || match std::fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn write<'a>(&'a self, endpoint: &'a str, state: Vec<u8>) -> Stored<'a, Written> {
        let (folder, file) = (self.folder.clone(), self.file(endpoint));
        in_thread(move || {
            make_folder(&folder)?;
            whole_file::replace(&file, &state)?;
            Ok(Written::Done)
        })
    }

    /// The file has another name from then on.
    fn put_aside<'a>(&'a self, endpoint: &'a str) -> Stored<'a, Option<String>> {
        let file = self.file(endpoint);
        in_thread(move || {
            let mut name = file.clone().into_os_string();
            name.push(".aside");
            let aside = PathBuf::from(name);
            match std::fs::rename(&file, &aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                renamed => renamed?,
            }
            whole_file::folder_of(&aside)?.sync_all()?;
            Ok(Some(aside.display().to_string()))
        })
    }

    fn place(&self, endpoint: &str) -> String {
        self.file(endpoint).display().to_string()
    }
}

/// Does this where nobody waits for the disk.
fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Stored<'static, T> {
    Box::pin(async move {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(StoreError::new),
            Err(panicked) => Err(StoreError::new(panicked)),
        }
    })
}

/// The folder is its owner's alone, as the files in it.
fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => whole_file::folder_of(folder)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
