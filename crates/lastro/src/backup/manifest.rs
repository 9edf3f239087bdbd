//! `backup.json`: what a backup holds for certain. Written last, as a whole.

use std::io;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use journal::backup::{BackedUp, replace_file};
use journal::{Head, Storage, StorageFile};
use ledger::LedgerId;
use serde::{Deserialize, Serialize};

use crate::data_folder::MANIFEST;

/// The version that this build writes and reads.
const FORMAT_VERSION: u32 = 1;

/// A manifest is a few hundred bytes.
const BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format_version: u32,
    /// The version of the build that took it.
    lastro_version: String,
    /// When it was taken; `None` until the first one is whole.
    #[serde(with = "time")]
    pub(crate) taken_at: Option<Timestamp>,
    pub(crate) ledger: Option<JournalPart>,
    pub(crate) outbox: Option<JournalPart>,
    /// The ledger that the outbox's operations are for. Backups of earlier versions do not have it, nor
    /// those of an outbox that has met no ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outbox_ledger_id: Option<String>,
}

/// One journal of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JournalPart {
    journal_id: String,
    segment_bytes: u64,
    first_segment: u64,
    last_segment: u64,
    head: HeadPart,
    #[serde(with = "time")]
    last_frame_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct HeadPart {
    sequence: u64,
    hash: String,
    records: u64,
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

impl Manifest {
    /// One of this build, of nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            format_version: FORMAT_VERSION,
            lastro_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Self::default()
        }
    }

    /// The same, written by this build.
    pub(crate) fn of_this_build(self) -> Self {
        Self {
            taken_at: self.taken_at,
            ledger: self.ledger,
            outbox: self.outbox,
            outbox_ledger_id: self.outbox_ledger_id,
            ..Self::new()
        }
    }

    /// The ledger that the outbox's operations are for, if it is known.
    pub(crate) fn outbox_ledger(&self) -> anyhow::Result<Option<LedgerId>> {
        let id = self.outbox_ledger_id.as_ref().map(|text| text.parse());
        id.transpose()
            .with_context(|| format!("{MANIFEST} is damaged"))
    }

    pub(crate) fn set_outbox_ledger(&mut self, ledger: Option<LedgerId>) {
        self.outbox_ledger_id = ledger.map(|id| id.to_string());
    }

    /// The manifest there; `None` if there is none.
    pub(crate) fn read<S: Storage>(storage: &S) -> anyhow::Result<Option<Self>> {
        let place = storage.place();
        let file = match storage.open_read_only(MANIFEST) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("cannot open {MANIFEST} in {place}")),
        };
        let read = || -> io::Result<Vec<u8>> {
            let size = file.size()?.min(BYTES_MAX);
            let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            let mut filled = 0;
            while filled < bytes.len() {
                match file.read_at(&mut bytes[filled..], filled as u64)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => filled += count,
                }
            }
            Ok(bytes)
        };
        let bytes = read().with_context(|| format!("cannot read {MANIFEST} in {place}"))?;
        let damaged =
            || format!("{MANIFEST} in {place} is damaged: it is not what a backup writes");
        let version: Version = serde_json::from_slice(&bytes).with_context(damaged)?;
        let found = version.format_version;
        ensure!(
            found == FORMAT_VERSION,
            "{MANIFEST} in {place} has format {found}; this build reads {FORMAT_VERSION}: use the \
             build that wrote it"
        );
        serde_json::from_slice(&bytes)
            .with_context(damaged)
            .map(Some)
    }

    /// Puts this one in the place of the one before.
    pub(crate) fn write<S: Storage>(&self, storage: &S) -> anyhow::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(self).context("cannot write the manifest")?;
        bytes.push(b'\n');
        replace_file(storage, MANIFEST, &bytes)?;
        Ok(())
    }
}

impl JournalPart {
    pub(crate) fn of(backed_up: &BackedUp) -> anyhow::Result<Self> {
        let last_frame_at = backed_up.last_frame_ns.map(timestamp).transpose()?;
        let head = backed_up.head;
        Ok(Self {
            journal_id: backed_up.id.to_string(),
            segment_bytes: backed_up.segment_bytes,
            first_segment: backed_up.first_segment,
            last_segment: backed_up.last_segment,
            head: HeadPart {
                sequence: head.sequence,
                hash: head.hash.to_string(),
                records: head.records,
            },
            last_frame_at,
        })
    }

    pub(crate) fn backed_up(&self) -> anyhow::Result<BackedUp> {
        let damaged = || format!("{MANIFEST} is damaged");
        let nanos = |time: Timestamp| u64::try_from(time.as_nanosecond());
        ensure!(
            self.first_segment <= self.last_segment && self.segment_bytes > 0,
            "{MANIFEST} is damaged: its segments are {} to {}",
            self.first_segment,
            self.last_segment
        );
        Ok(BackedUp {
            id: self.journal_id.parse().with_context(damaged)?,
            segment_bytes: self.segment_bytes,
            first_segment: self.first_segment,
            last_segment: self.last_segment,
            head: Head {
                sequence: self.head.sequence,
                hash: self.head.hash.parse().with_context(damaged)?,
                records: self.head.records,
            },
            last_frame_ns: self
                .last_frame_at
                .map(nanos)
                .transpose()
                .with_context(damaged)?,
        })
    }
}

/// A time as text.
mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let time = text.map(|text| text.parse()).transpose();
        time.map_err(serde::de::Error::custom)
    }
}

/// A frame's time as it is shown.
pub(crate) fn timestamp(nanos: u64) -> anyhow::Result<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanos)).context("a frame's time is out of range")
}

#[cfg(test)]
mod tests {
    use journal::faulty::FaultyStorage;
    use journal::{Hash, JournalId};

    use super::*;

    fn backed_up(sequence: u64) -> BackedUp {
        BackedUp {
            id: JournalId([7; 16]),
            segment_bytes: 4096,
            first_segment: 2,
            last_segment: 9,
            head: Head {
                sequence,
                hash: Hash([8; 32]),
                records: 100,
            },
            last_frame_ns: Some(1_800_000_000_123_456_789),
        }
    }

    fn manifest(sequence: u64) -> Manifest {
        Manifest {
            ledger: Some(JournalPart::of(&backed_up(sequence)).unwrap()),
            ..Manifest::new()
        }
    }

    #[test]
    fn it_reads_what_it_writes() {
        let storage = FaultyStorage::new(1);
        assert_eq!(Manifest::read(&storage).unwrap(), None);
        manifest(5).write(&storage).unwrap();
        let read = Manifest::read(&storage.crash()).unwrap().unwrap();
        assert_eq!(read, manifest(5));
        assert_eq!(read.ledger.unwrap().backed_up().unwrap(), backed_up(5));
    }

    #[test]
    fn a_crash_leaves_the_one_before_or_the_new_one() {
        let before = FaultyStorage::new(2);
        manifest(5).write(&before).unwrap();
        for number in 0.. {
            let storage = before.copy();
            storage.crash_after_operation(number);
            let _ = manifest(6).write(&storage);
            if !storage.is_stopped() {
                break;
            }
            let read = Manifest::read(&storage.crash()).unwrap().unwrap();
            assert!(read == manifest(5) || read == manifest(6), "{read:?}");
        }
    }

    #[test]
    fn one_of_another_version_or_damaged_is_refused() {
        let storage = FaultyStorage::new(3);
        let newer = Manifest {
            format_version: 2,
            ..manifest(5)
        };
        newer.write(&storage).unwrap();
        let refused = Manifest::read(&storage).unwrap_err().to_string();
        assert!(
            refused.contains("has format 2; this build reads 1"),
            "{refused}"
        );
        storage.alter(MANIFEST, |bytes| bytes.truncate(20));
        let refused = Manifest::read(&storage).unwrap_err().to_string();
        assert!(refused.contains("is damaged"), "{refused}");
    }
}
