//! A small disk of its own: a file system in a file, mounted where only its own processes see it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::folder;

/// A disk. Everything of it goes when it is dropped.
pub(crate) struct SmallDisk {
    /// Holds the namespace in which the disk is mounted.
    holder: Child,
    folder: TempDir,
}

/// Mounts the disk, whose file is in memory, and keeps it: `$0` is a folder, `$1` the size.
const MOUNT: &str = r#"mount -t tmpfs tmpfs "$0" && cd "$0" && truncate -s "$1" image \
    && mkfs.ext4 -q image && mkdir disk && mount -o loop image disk && cd / \
    && echo mounted && exec sleep infinity"#;

impl SmallDisk {
    /// A disk of so many MiB; why there is none where this machine does not permit that.
    pub(crate) fn new(mebibytes: u64) -> Result<Self, String> {
        let folder = folder();
        let mut holder = Command::new("unshare");
        holder.args(["--mount", "sh", "-c", MOUNT]);
        holder.arg(folder.path()).arg(format!("{mebibytes}M"));
        let mut holder = holder
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut said = String::new();
        let _ = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said);
        let disk = Self { holder, folder };
        match said.as_str() {
            "mounted\n" => Ok(disk),
            _ => Err(
                "file systems cannot be mounted here: that needs root and a loop device".to_owned(),
            ),
        }
    }

    /// The same, or a line that nothing was tested.
    pub(crate) fn permitted(mebibytes: u64) -> Option<Self> {
        Self::new(mebibytes)
            .map_err(|error| eprintln!("NOT TESTED: {error}"))
            .ok()
    }

    /// Where it is, for its own processes.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// A program that sees it.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.holder.id().to_string(), "--"]);
        command.arg(program.as_ref());
        command
    }

    /// Runs a line of a shell that sees it; its path is `$0`, the image is `$1`.
    pub(crate) fn shell(&self, line: &str) {
        let mut command = self.command("sh");
        command
            .args(["-ec", line])
            .arg(self.path())
            .arg(self.folder.path().join("image"));
        run(&mut command).unwrap();
    }

    /// Lets the file system end as after an error of the disk: nothing more is written, and what is tried
    /// fails.
    pub(crate) fn fail(&self) {
        self.shell(r#"mount -o remount,abort "$0""#);
    }

    /// Mounts it again, repaired, as an operator does.
    pub(crate) fn repair(&self) {
        // 1: errors were corrected.
        self.shell(r#"umount "$0"; e2fsck -fy "$1" || [ $? -eq 1 ]; mount -o loop "$1" "$0""#);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
