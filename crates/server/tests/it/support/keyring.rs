//! Keys of all kinds, and what their holders show.

use server::{KeyRecord, KeySecret, Keys, KeysOptions, Scope};

/// The secrets of a set of keys.
pub(crate) struct Keyring {
    pub(crate) keys: Keys,
}

/// Everything a key can differ in from one that may do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// None is shown.
    Nothing,
    /// One that nobody has made.
    Unknown,
    /// With one scope.
    Only(Scope),
    /// With every scope.
    All,
    /// With every scope, but only for the accounts `mine:*`.
    Narrow,
    /// Likewise, and for deposits to them: the accounts `mine:*` and `world:BRL`. Not one of [`Held::EVERY`].
    Depositor,
    /// Likewise with every scope, until a while ago.
    Expired,
    /// Likewise, until it was revoked.
    Revoked,
}

impl Held {
    pub(crate) const EVERY: [Self; 10] = [
        Self::Nothing,
        Self::Unknown,
        Self::Only(Scope::Read),
        Self::Only(Scope::Write),
        Self::Only(Scope::Operate),
        Self::Only(Scope::Metrics),
        Self::All,
        Self::Narrow,
        Self::Expired,
        Self::Revoked,
    ];

    /// What its holder shows.
    pub(crate) fn secret(self) -> Option<String> {
        let byte = match self {
            Self::Nothing => return None,
            Self::Unknown => 1,
            Self::Only(Scope::Read) => 2,
            Self::Only(Scope::Write) => 3,
            Self::Only(Scope::Operate) => 4,
            Self::Only(Scope::Metrics) => 5,
            Self::All => 6,
            Self::Narrow => 7,
            Self::Depositor => 10,
            Self::Expired => 8,
            Self::Revoked => 9,
        };
        Some(KeySecret::from_random([byte; 32]).reveal())
    }

    fn record(self) -> Option<KeyRecord> {
        let scopes = match self {
            Self::Nothing | Self::Unknown => return None,
            Self::Only(scope) => vec![scope],
            Self::All | Self::Narrow | Self::Depositor | Self::Expired | Self::Revoked => {
                Scope::ALL.to_vec()
            }
        };
        let hash = self.secret()?.parse::<KeySecret>().unwrap().hash();
        let past = || Some("2026-01-01T00:00:00Z".parse().unwrap());
        let digits = String::from(hash);
        Some(KeyRecord {
            name: format!("key-{}", &digits[..8]),
            hash,
            scopes,
            accounts: match self {
                Self::Narrow => vec!["mine:*".parse().unwrap()],
                Self::Depositor => {
                    vec!["mine:*".parse().unwrap(), "world:BRL".parse().unwrap()]
                }
                _ => Vec::new(),
            },
            tenant: String::new(),
            created_at: "2025-01-01T00:00:00Z".parse().unwrap(),
            expires_at: if self == Self::Expired { past() } else { None },
            revoked_at: if self == Self::Revoked { past() } else { None },
            requests_per_s: None,
            commands_per_s: None,
        })
    }
}

impl Keyring {
    /// Every kind of key; failures are not held back.
    pub(crate) fn new() -> Self {
        Self::with(KeysOptions {
            failures_per_s_max: u32::MAX,
            ..KeysOptions::default()
        })
    }

    pub(crate) fn with(options: KeysOptions) -> Self {
        let records = Held::EVERY.iter().chain([&Held::Depositor]);
        let records = records.filter_map(|held| held.record());
        let keys = Keys::new(records.collect(), options).unwrap();
        Self { keys }
    }

    /// The record of the key that may do everything, to be changed.
    pub(crate) fn record_of_all() -> KeyRecord {
        Held::All.record().unwrap()
    }
}
