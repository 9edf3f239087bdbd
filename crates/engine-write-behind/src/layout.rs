//! What the nodes and the library agree upon, each once: names of keys, letters, sizes, and the record
//! of the ledger's position. The library reads them from a prelude that is made of them.
//! `docs/write-behind-format.md` has the bytes.

use ledger::{AMOUNT_MAX, AccountId, BatchId, Timestamp, TransferId};

use crate::bytes::Bytes;
use crate::error::{Damaged, WriteBehindOpenError};
use crate::moment::moment;

/// The library's name, and how the names of its functions begin. Another version has another one, so
/// that nodes of both may run side by side.
macro_rules! library_name {
    () => {
        "lastro_3"
    };
}
pub(crate) use library_name;

/// How all keys begin.
macro_rules! prefix {
    ($rest:literal) => {
        concat!("lastro:", $rest)
    };
}

/// All that is the ledger's, for `SCAN`.
pub(crate) const KEYS: &str = prefix!("*");
/// Where the ledger is: a [`MetaRecord`].
pub(crate) const META: &str = prefix!("meta");
/// The calls that are not persisted.
pub(crate) const STREAM: &str = prefix!("stream");
/// The pending transfers by the time at which they expire.
pub(crate) const EXPIRIES: &str = prefix!("expiries");
/// The epoch of a rebuild under way.
pub(crate) const REBUILD: &str = prefix!("rebuild");
const ACCOUNT: &str = prefix!("a:");
const ENTRIES: &str = prefix!("e:");
const ID: &str = prefix!("i:");
const BATCH: &str = prefix!("b:");
const FILTER: &str = prefix!("f:");
/// The accounts, for `SCAN`.
pub(crate) const ACCOUNT_KEYS: &str = prefix!("a:*");

/// How many of an account's newest entries Redis has at least.
pub(crate) const ENTRIES_KEPT: u8 = 10;
/// The words of 32 bits of the first filter.
pub(crate) const FILTER_WORDS: usize = 524_288;
/// How often each following filter is twice as large as the one before.
pub(crate) const FILTER_DOUBLINGS: usize = 8;

/// How the state of a pending transfer is written.
pub(crate) mod pending_state {
    pub(crate) const PENDING: u8 = 1;
    pub(crate) const POSTED: u8 = 2;
    pub(crate) const VOIDED: u8 = 3;
    pub(crate) const EXPIRED: u8 = 4;
}

/// How many bytes a pending transfer's record has of its end: by which id, how much was posted, when.
pub(crate) const END_LENGTH: usize = 16 + 8 + 8 + 2;
const END_FORMAT: &str = ">c16I8I8I2";

/// Letters that stand for something in a record, an answer or a call, here and in a table of the
/// library with the same names.
macro_rules! letters {
    ($(#[$about:meta])* $module:ident, $table:literal: $($name:ident = $letter:literal,)*) => {
        $(#[$about])*
        pub(crate) mod $module {
            $(pub(crate) const $name: u8 = $letter;)*
            pub(super) const TABLE: (&str, &[(&str, u8)]) =
                ($table, &[$((stringify!($name), $letter)),*]);
        }
    };
}

letters!(
    /// What a record is about.
    record, "RECORD":
    TRANSFER = b'T',
    REFUSED = b'R',
    ACCOUNT_OPENED = b'O',
    LIMIT_CHANGED = b'L',
    ACCOUNT_CLOSED = b'C',
    BATCH = b'B',
);

letters!(
    /// Which kind of transfer a record is of.
    kind, "KIND":
    TRANSFER = b'T',
    PEND = b'P',
    POST = b'O',
    VOID = b'V',
    EXPIRE = b'E',
);

/// The kind of a record that is not of a transfer.
const NO_KIND: &str = "-";

letters!(
    /// What an operation of a call asks for.
    operation, "OPERATION":
    TRANSFER = b'T',
    PEND = b'P',
    POST = b'O',
    VOID = b'V',
    EXPIRE = b'E',
    OPEN_ACCOUNT = b'A',
    CHANGE_LIMIT = b'L',
    CLOSE_ACCOUNT = b'C',
    REPETITION_ONLY = b'R',
    MALFORMED = b'M',
    ATOMIC_BATCH = b'B',
    INDEPENDENT_BATCH = b'I',
);

// The kind of a transfer's record is the letter of the operation that asked for it.
const _: () = assert!(operation::TRANSFER == kind::TRANSFER && operation::PEND == kind::PEND);

letters!(
    /// How an operation was answered.
    answer, "ANSWER":
    CREATED = b'c',
    ID_USED = b'x',
    ACCOUNT_EXISTS = b'o',
    REFUSED_UNRECORDED = b'n',
    MALFORMED = b'M',
);

letters!(
    /// Why an operation was refused.
    refusal, "REFUSAL":
    ACCOUNT_NOT_FOUND = b'f',
    ACCOUNT_CLOSED = b'k',
    CURRENCY_MISMATCH = b'm',
    INSUFFICIENT_FUNDS = b'i',
    BALANCE_OVERFLOW = b'v',
    ACCOUNT_IN_USE = b'U',
    ACCOUNT_IN_OTHER_STATE = b'S',
    PENDING_NOT_FOUND = b'N',
    PENDING_ALREADY_POSTED = b'P',
    PENDING_ALREADY_VOIDED = b'V',
    PENDING_EXPIRED = b'X',
    AMOUNT_EXCEEDS_PENDING = b'A',
    CURRENCY_NOT_CURRENT = b'w',
);

letters!(
    /// Which account of a command a refusal is about.
    side, "SIDE":
    DEBIT = b'd',
    CREDIT = b'c',
    NONE = b'-',
);

letters!(
    /// What kind of account a record of one is.
    account, "ACCOUNT_KIND":
    LIMITED = b'L',
    UNLIMITED = b'U',
);

/// What the library has as tables: their names, and the letters by name.
pub(crate) const TABLES: [(&str, &[(&str, u8)]); 7] = [
    record::TABLE,
    kind::TABLE,
    operation::TABLE,
    answer::TABLE,
    refusal::TABLE,
    side::TABLE,
    account::TABLE,
];

pub(crate) fn account_key(id: &AccountId) -> Vec<u8> {
    [ACCOUNT.as_bytes(), id.as_str().as_bytes()].concat()
}

pub(crate) fn entries_key(id: &AccountId) -> Vec<u8> {
    [ENTRIES.as_bytes(), id.as_str().as_bytes()].concat()
}

pub(crate) fn transfer_key(id: TransferId) -> Vec<u8> {
    [ID.as_bytes(), &id.to_bytes()].concat()
}

pub(crate) fn batch_key(id: BatchId) -> Vec<u8> {
    [BATCH.as_bytes(), &id.to_bytes()].concat()
}

pub(crate) fn filter_key(number: usize) -> Vec<u8> {
    format!("{FILTER}{number}").into_bytes()
}

/// What a key of an id is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedId {
    Transfer(TransferId),
    Batch(BatchId),
}

impl NamedId {
    /// Reads the key of an id.
    ///
    /// # Errors
    ///
    /// When it is another key.
    pub(crate) fn of_key(key: &[u8]) -> Result<Self, Damaged> {
        let id = |bytes: &[u8]| {
            let bytes = bytes.try_into().map_err(|_| Damaged)?;
            Ok(u128::from_be_bytes(bytes))
        };
        if let Some(bytes) = key.strip_prefix(ID.as_bytes()) {
            return Ok(Self::Transfer(TransferId::from_u128(id(bytes)?)));
        }
        let bytes = key.strip_prefix(BATCH.as_bytes()).ok_or(Damaged)?;
        Ok(Self::Batch(BatchId::from_u128(id(bytes)?)))
    }
}

/// The format of the record at [`META`], as it begins, and those before it: the first had no last field, the second is
/// of nodes for which the totals of limited accounts end at 2^53 - 1.
const META_VERSION: &str = "LWB3";
const META_VERSIONS_BEFORE: [&[u8]; 2] = [b"LWB1", b"LWB2"];
/// The record in the words of `struct.pack`; [`MetaRecord::decode`] reads the same fields.
const META_FORMAT: &str = ">c4c16c16I8I8I2I8I1I8I8";

/// Where the ledger in Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetaRecord {
    /// A version before wrote it.
    pub(crate) is_old_format: bool,
    pub(crate) epoch: String,
    pub(crate) ledger: [u8; 16],
    /// How many events there have been.
    pub(crate) position: u64,
    /// The time of the newest one.
    pub(crate) newest: Timestamp,
    /// Up to here all is persisted, and the stream is cut.
    pub(crate) trimmed: u64,
    pub(crate) filters_count: u8,
    /// Up to here ids may be forgotten; not less than `trimmed`.
    pub(crate) let_go: u64,
}

/// Why a record at [`META`] is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreadMeta {
    /// A version wrote it that this one does not know.
    UnknownFormat,
    Damaged,
}

impl From<Damaged> for UnreadMeta {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

impl From<UnreadMeta> for WriteBehindOpenError {
    fn from(why: UnreadMeta) -> Self {
        match why {
            UnreadMeta::UnknownFormat => {
                Self::Disagree("Redis holds a format that this version does not know".to_owned())
            }
            UnreadMeta::Damaged => Damaged.into(),
        }
    }
}

impl MetaRecord {
    /// Reads the record.
    ///
    /// # Errors
    ///
    /// [`UnreadMeta`].
    pub(crate) fn decode(record: &[u8]) -> Result<Self, UnreadMeta> {
        let mut bytes = Bytes(record);
        let version = bytes.take(4)?;
        let is_old_format = META_VERSIONS_BEFORE.contains(&version);
        if !is_old_format && version != META_VERSION.as_bytes() {
            return Err(UnreadMeta::UnknownFormat);
        }
        let epoch = std::str::from_utf8(bytes.take(16)?).map_err(|_| Damaged)?;
        let epoch = epoch.to_owned();
        let (ledger, position) = (bytes.array()?, bytes.u64()?);
        let (newest, trimmed) = (moment(&mut bytes)?, bytes.u64()?);
        let filters_count = bytes.u8()?;
        let _newest_filter_used = bytes.u64()?;
        let let_go = match version == META_VERSIONS_BEFORE[0] {
            true => trimmed,
            false => bytes.u64()?,
        };
        Ok(Self {
            is_old_format,
            epoch,
            ledger,
            position,
            newest,
            trimmed,
            filters_count,
            let_go,
        })
    }
}

/// The Lua that gives the library all of this, to be put before it.
pub(crate) fn prelude() -> String {
    let mut prelude = format!("#!lua name={}\n", library_name!());
    prelude += "-- Made from layout.rs: what the nodes and the library agree upon.\n";
    let text = |name: &str, value: &str| format!("local {name} = '{value}'\n");
    for (name, value) in [
        ("LIBRARY", library_name!()),
        ("META", META),
        ("STREAM", STREAM),
        ("EXPIRIES", EXPIRIES),
        ("REBUILD", REBUILD),
        ("ACCOUNT", ACCOUNT),
        ("ENTRIES", ENTRIES),
        ("ID", ID),
        ("BATCH", BATCH),
        ("FILTER", FILTER),
        ("VERSION", META_VERSION),
        ("META_FORMAT", META_FORMAT),
        ("END_FORMAT", END_FORMAT),
        ("NO_KIND", NO_KIND),
    ] {
        prelude += &text(name, value);
    }
    for (name, value) in [
        ("AMOUNT_MAX", AMOUNT_MAX),
        ("ENTRIES_KEPT", u64::from(ENTRIES_KEPT)),
        ("FILTER_WORDS", FILTER_WORDS as u64),
        ("FILTER_DOUBLINGS", FILTER_DOUBLINGS as u64),
        ("END_LENGTH", END_LENGTH as u64),
        ("PENDING", pending_state::PENDING.into()),
        ("POSTED", pending_state::POSTED.into()),
        ("VOIDED", pending_state::VOIDED.into()),
        ("EXPIRED", pending_state::EXPIRED.into()),
    ] {
        prelude += &format!("local {name} = {value}\n");
    }
    for (table, letters) in TABLES {
        let letters = letters
            .iter()
            .map(|(name, letter)| format!("{name} = '{}'", char::from(*letter)));
        let letters: Vec<String> = letters.collect();
        prelude += &format!("local {table} = {{ {} }}\n", letters.join(", "));
    }
    prelude
}

#[cfg(test)]
mod tests;
