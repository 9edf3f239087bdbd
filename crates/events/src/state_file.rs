//! The file that an endpoint is kept in.
//!
//! | line | content |
//! |---|---|
//! | first | `lastro webhook state 1` and the BLAKE3 hash of the second line without its end, in hexadecimal digits |
//! | second | JSON: [`Saved`] |
//!
//! It is replaced as a whole. `docs/webhook-state.md` describes it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use stdx::whole_file;

use crate::queue::Saved;

/// The beginning of the first line.
const MAGIC: &str = "lastro webhook state ";
/// The format that is written.
const VERSION: &str = "1";

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// It cannot be read.
    #[error("cannot read {file}", file = .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its content is not what was written.
    #[error("{file} is damaged: {why}", file = .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A later version has written it.
    #[error(
        "{file} has the format {version}, and this build reads {VERSION}: use the build that wrote it",
        file = .file.display()
    )]
    OtherVersion {
        /// The file.
        file: PathBuf,
        /// Its format.
        version: String,
    },
}

/// The state file of one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The file of the endpoint of this name.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(format!("{name}.state")),
        }
    }

    /// What was kept last; `None` where nothing ever was.
    pub(crate) fn read(&self) -> Result<Option<Saved>, StateError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let file = self.path.clone();
                return Err(StateError::Io { file, source });
            }
        };
        self.parse(&bytes).map(Some)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Saved, StateError> {
        let damaged = |why: &str| StateError::Damaged {
            file: self.path.clone(),
            why: why.to_owned(),
        };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
        let (head, rest) = text
            .split_once('\n')
            .ok_or_else(|| damaged("it has no second line"))?;
        let head = head
            .strip_prefix(MAGIC)
            .ok_or_else(|| damaged("it does not begin as a state file does"))?;
        let (version, hash) = head
            .split_once(' ')
            .ok_or_else(|| damaged("its first line is cut"))?;
        if version != VERSION {
            return Err(StateError::OtherVersion {
                file: self.path.clone(),
                version: version.chars().take(20).collect(),
            });
        }
        let body = rest
            .strip_suffix('\n')
            .ok_or_else(|| damaged("it is cut"))?;
        if blake3::hash(body.as_bytes()).to_hex().as_str() != hash {
            return Err(damaged("its hash does not match its content"));
        }
        serde_json::from_str(body).map_err(|error| damaged(&error.to_string()))
    }

    /// Keeps this durably, in the place of what was kept before.
    pub(crate) fn write(&self, saved: &Saved) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            make_folder(folder)?;
        }
        whole_file::replace(&self.path, &written(saved))
    }

    /// Puts a file that cannot be used aside, under a name that is returned.
    pub(crate) fn put_aside(&self) -> io::Result<PathBuf> {
        let mut name = self.path.clone().into_os_string();
        name.push(".aside");
        let aside = PathBuf::from(name);
        std::fs::rename(&self.path, &aside)?;
        whole_file::folder_of(&aside)?.sync_all()?;
        Ok(aside)
    }
}

/// The file's bytes.
fn written(saved: &Saved) -> Vec<u8> {
    let body = serde_json::to_string(saved).expect("plain data, written to memory");
    let hash = blake3::hash(body.as_bytes()).to_hex();
    format!("{MAGIC}{VERSION} {hash}\n{body}\n").into_bytes()
}

/// The folder is its owner's alone, as the files in it.
fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => whole_file::folder_of(folder)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use ledger::{EventPosition, Timestamp};

    use super::*;
    use crate::queue::{
        DeliveryRecord, Disabled, FeedPlace, LastTry, Placed, SavedDelivery, Tries,
    };

    /// Written by the first version that had webhooks. It is read for ever.
    const FIXTURE: &str = "tests/fixtures/state-1/orders.state";

    fn record(number: u8, tries: Tries) -> DeliveryRecord {
        let at = |number| EventPosition::from_bytes([number; EventPosition::BYTES]);
        let placed = Placed {
            after: match number {
                1 => FeedPlace::Beginning,
                number => FeedPlace::After(at(number - 1)),
            },
            position: at(number),
            event_type: "transfer.posted".to_owned(),
            timestamp: Timestamp::from_nanos(1_767_225_600_000_000_000 + u64::from(number)),
        };
        DeliveryRecord { placed, tries }
    }

    fn sample() -> Saved {
        let tries = Tries {
            count: 3,
            tried_for_ms: 15_000,
            first_at: Some(Timestamp::from_nanos(1_767_225_601_000_000_000)),
            last: Some(LastTry {
                at: Timestamp::from_nanos(1_767_225_616_000_000_000),
                status: Some(503),
                failure: String::new(),
                body: "away\n\"for lunch\"".to_owned(),
            }),
        };
        Saved {
            read_to: FeedPlace::After(EventPosition::from_bytes([9; EventPosition::BYTES])),
            disabled: Some(Disabled::TooManyDeadLetters),
            waiting: vec![
                SavedDelivery {
                    record: record(2, Tries::default()),
                    was_dead: false,
                },
                SavedDelivery {
                    record: record(7, tries.clone()),
                    was_dead: true,
                },
            ],
            dead_letters: vec![record(1, tries)],
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(&folder.path().join("webhooks"), "orders");
        assert!(file.read().unwrap().is_none());
        for saved in [Saved::beginning(FeedPlace::Beginning), sample()] {
            file.write(&saved).unwrap();
            assert_eq!(file.read().unwrap(), Some(saved));
        }
    }

    #[test]
    fn the_first_format_stays_readable() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
        if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() && !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, written(&sample())).unwrap();
        }
        let file = StateFile::new(path.parent().unwrap(), "orders");
        assert_eq!(file.read().unwrap(), Some(sample()));
        assert_eq!(std::fs::read(&path).unwrap(), written(&sample()));
    }

    /// Whatever is in the file, it is what was written or it is refused; also where the hash is right.
    #[test]
    fn fuzz_state_files() {
        let file = StateFile::new(Path::new("/nowhere"), "orders");
        let whole = written(&sample());
        testkit::fuzz(&[&whole], |bytes| {
            if let Ok(saved) = file.parse(bytes) {
                assert_eq!(saved, sample());
            }
            let Some((_, body)) = std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.split_once('\n'))
            else {
                return;
            };
            let body = body.trim_end_matches('\n');
            let hash = blake3::hash(body.as_bytes()).to_hex();
            let sealed = format!("{MAGIC}{VERSION} {hash}\n{body}\n");
            if let Ok(saved) = file.parse(sealed.as_bytes()) {
                assert_eq!(file.parse(&written(&saved)).unwrap(), saved);
            }
        });
    }

    /// Any flipped bit, any cut and anything behind the end is noticed: no endpoint begins anew, or elsewhere.
    #[test]
    fn damage_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path(), "orders");
        let whole = written(&sample());
        let fails = |bytes: &[u8]| {
            std::fs::write(&file.path, bytes).unwrap();
            file.read().unwrap_err().to_string()
        };
        for index in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[index] ^= 1;
            let error = fails(&bytes);
            assert!(
                error.contains("is damaged") || error.contains("has the format"),
                "{index}: {error}"
            );
        }
        for length in 0..whole.len() {
            assert!(fails(&whole[..length]).contains("is damaged"), "{length}");
        }
        assert!(fails(&[whole.as_slice(), b"{}"].concat()).contains("is damaged"));
        let aside = file.put_aside().unwrap();
        assert!(aside.exists() && file.read().unwrap().is_none());
    }
}
