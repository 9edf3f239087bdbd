//! Where the repository is.

use std::path::PathBuf;

/// The repository's root: the folder above this crate's.
///
/// Cargo tells a running chore where its manifest is; the path known at compile time serves when
/// the program is started by hand.
pub(crate) fn root() -> PathBuf {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest_dir
        .parent()
        .map_or_else(|| manifest_dir.clone(), PathBuf::from)
}

/// The cargo that started this chore, so that a chore never mixes toolchains.
pub(crate) fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
