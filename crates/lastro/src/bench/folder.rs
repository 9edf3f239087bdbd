//! The folder a benchmark writes to: on a real disk, and its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Removed when dropped, unless it was named by the caller.
pub(super) struct Folder {
    path: PathBuf,
    own: bool,
}

impl Folder {
    pub(super) fn prepare(named: Option<&Path>) -> anyhow::Result<Self> {
        let folder = Self::make(named)?;
        let mut entries = fs::read_dir(&folder.path)?;
        ensure!(
            entries.next().is_none(),
            "{} is not empty: a benchmark needs a new folder",
            folder.path.display()
        );
        Ok(folder)
    }

    /// The same, but the folder may have the ledger of an earlier benchmark.
    pub(super) fn prepare_to_go_on(named: Option<&Path>) -> anyhow::Result<Self> {
        let folder = Self::make(named)?;
        let mut entries = fs::read_dir(&folder.path)?;
        ensure!(
            folder.path.join("ledger").is_dir() || entries.next().is_none(),
            "{} is neither empty nor the folder of an earlier benchmark, whose ledger is in its \
             folder `ledger`",
            folder.path.display()
        );
        Ok(folder)
    }

    fn make(named: Option<&Path>) -> anyhow::Result<Self> {
        let own = named.is_none();
        let path = match named {
            Some(path) => path.to_owned(),
            None => PathBuf::from(format!("lastro-bench-{}", std::process::id())),
        };
        let place = path.display().to_string();
        fs::create_dir_all(&path).with_context(|| format!("cannot make {place}"))?;
        let folder = Self { path, own };
        ensure!(
            !is_in_memory(&folder.path)?,
            "{place} is on a memory file system: nothing there is durable; choose --data-dir"
        );
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.own {
            // Left behind, it is ignored by git and disturbs nothing.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Whether the path is on tmpfs or ramfs: see `statfs(2)`.
fn is_in_memory(path: &Path) -> anyhow::Result<bool> {
    const TMPFS_MAGIC: u32 = 0x0102_1994;
    const RAMFS_MAGIC: u32 = 0x8584_58f6;
    let kind = rustix::fs::statfs(path)?.f_type;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "32-bit magics"
    )]
    let kind = kind as u32;
    Ok(kind == TMPFS_MAGIC || kind == RAMFS_MAGIC)
}
