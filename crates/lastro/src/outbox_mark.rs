//! The file in an outbox's folder that names the ledger which its operations are for. An outbox of an earlier
//! version has none, and belongs to the first ledger that it meets.

use std::io;
use std::path::Path;

use anyhow::Context;
use ledger::LedgerId;
use stdx::whole_file;

/// The file's name.
const FILE: &str = "ledger";

/// The ledger of the outbox in this folder, which need not be there; `None` if it names none.
pub(crate) fn read(outbox: &Path) -> anyhow::Result<Option<LedgerId>> {
    let path = outbox.join(FILE);
    let place = path.display();
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let id = text.trim_end().parse();
            let id = id.with_context(|| format!("{place} does not name a ledger"))?;
            Ok(Some(id))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {place}")),
    }
}

/// Names the ledger in this folder, which is there and this process's.
pub(crate) fn write(outbox: &Path, ledger: LedgerId) -> anyhow::Result<()> {
    let path = outbox.join(FILE);
    whole_file::replace(&path, format!("{ledger}\n").as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}
