//! The keys that are in force, and a request's way through them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use ledger::AccountId;
use stdx::{Throttle, whole_nanos};

use super::denied::Denied;
use super::failures::{FAILURES_PER_S_MAX, Failures};
use super::key::{Key, KeyRecord, NameInvalid, Standing, check_name};
use super::pattern::AccountPattern;
use super::rate::Rate;
use super::scope::{Access, Scope};
use super::secret::{KeyHash, KeySecret};
use crate::metrics::KEYS_REFUSED;

/// How often a line of the log says that requests came without a valid key.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// What rates are counted by.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The keys that requests are judged by, as all faces share them.
#[derive(Clone)]
pub struct Keys(Option<Arc<Door>>);

/// How requests are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysOptions {
    /// Whether the challenges' routes need no key, for what the challenges need of them.
    pub is_challenge_open: bool,
    /// How many failures of one address are answered 401 in a second; further ones 429.
    pub failures_per_s_max: u32,
}

impl Default for KeysOptions {
    fn default() -> Self {
        Self {
            is_challenge_open: false,
            failures_per_s_max: FAILURES_PER_S_MAX,
        }
    }
}

/// Why records are no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysInvalid {
    /// A name is not well formed.
    #[error(transparent)]
    Name(#[from] NameInvalid),
    /// Two keys have this name.
    #[error("two keys have the name {0}")]
    NameTwice(String),
    /// Two keys have one secret; these are their names.
    #[error("the keys {0} and {1} have the same hash")]
    HashTwice(String, String),
    /// A rate of 0 would admit nothing.
    #[error("the key {0} may do 0 in a second: revoke it instead")]
    RateOfZero(String),
}

/// What is new after keys were read again, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyChanges {
    /// How many there are that are not revoked.
    pub valid_count: usize,
    /// Those that were not there before.
    pub added: Vec<String>,
    /// Those that have changed, for example because they were revoked.
    pub changed: Vec<String>,
    /// Those that are not there any more.
    pub removed: Vec<String>,
}

struct Door {
    ring: ArcSwap<Ring>,
    options: KeysOptions,
    failures: Failures,
    lines: Throttle,
}

/// Keys by the first bytes of their hashes. A map compares its keys in a time that depends on them; so
/// whole hashes are compared afterwards, in constant time.
#[derive(Default)]
struct Ring(HashMap<[u8; 8], Vec<Arc<Key>>>);

/// Who makes a request.
#[derive(Clone)]
pub(crate) enum Caller {
    /// Anyone: no key is asked for.
    Anyone,
    /// Somebody without a key on a route of the challenges, which `--open-challenge` opens: for what those need,
    /// and no more.
    OfChallenge,
    /// The holder of a valid key.
    Key(Arc<Key>),
}

impl Keys {
    /// No key is asked for.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Each request needs one of these keys. Without any, none is admitted.
    ///
    /// # Errors
    ///
    /// See [`KeysInvalid`].
    pub fn new(records: Vec<KeyRecord>, options: KeysOptions) -> Result<Self, KeysInvalid> {
        let ring = Ring::of(records, &Ring::default())?;
        Ok(Self(Some(Arc::new(Door {
            ring: ArcSwap::from_pointee(ring),
            failures: Failures::new(options.failures_per_s_max),
            options,
            lines: Throttle::new(LINE_INTERVAL),
        }))))
    }

    /// Judges requests by these keys from now on.
    ///
    /// # Errors
    ///
    /// See [`KeysInvalid`]; the keys before stay in force then. Where no keys are asked for, nothing is
    /// changed.
    pub fn replace(&self, records: Vec<KeyRecord>) -> Result<KeyChanges, KeysInvalid> {
        let Some(door) = &self.0 else {
            return Ok(KeyChanges::default());
        };
        let before = door.ring.load_full();
        let ring = Ring::of(records, &before)?;
        let changes = ring.changes_since(&before);
        door.ring.store(Arc::new(ring));
        Ok(changes)
    }

    /// Whether a request with these headers is admitted, and as whose. `is_of_challenge`: it is for a
    /// route of one of the challenges.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
        access: Access,
        is_of_challenge: bool,
    ) -> Result<Caller, TurnedAway> {
        let Some(door) = &self.0 else {
            return Ok(Caller::Anyone);
        };
        if access == Access::Open {
            return Ok(Caller::Anyone);
        }
        // Who shows a key is judged by it.
        let is_open = is_of_challenge && door.options.is_challenge_open;
        if is_open && !headers.contains_key(AUTHORIZATION) {
            return Ok(Caller::OfChallenge);
        }
        let key = door.find(headers);
        let key = key.map_err(|turned_away| TurnedAway {
            denied: door.failed(turned_away.denied, peer),
            ..turned_away
        })?;
        let admitted = key.take_request().and_then(|()| key.check(access));
        match admitted {
            Ok(()) => Ok(Caller::Key(key)),
            Err(denied) => Err(TurnedAway {
                denied: counted(denied),
                key: Some(key),
            }),
        }
    }
}

/// Who is not admitted.
pub(crate) struct TurnedAway {
    pub(crate) denied: Denied,
    /// The key that was shown, if it is one that is known here.
    pub(crate) key: Option<Arc<Key>>,
}

impl From<Denied> for TurnedAway {
    fn from(denied: Denied) -> Self {
        Self { denied, key: None }
    }
}

impl Door {
    fn find(&self, headers: &HeaderMap) -> Result<Arc<Key>, TurnedAway> {
        let hash = shown(headers)?.hash();
        let key = self.ring.load().find(&hash).ok_or(Denied::Unknown)?;
        let denied = match key.standing(SystemTime::now) {
            Standing::Valid => return Ok(key),
            Standing::Expired => Denied::Expired,
            Standing::Revoked => Denied::Revoked,
        };
        Err(TurnedAway {
            denied,
            key: Some(key),
        })
    }

    /// Counts a failure, and reports it once in a while.
    fn failed(&self, denied: Denied, peer: Option<IpAddr>) -> Denied {
        if let Some(held_back) = self.lines.pass() {
            let (code, reason) = (denied.code(), denied.reason());
            let peer = peer.map_or_else(|| "a Unix socket".to_owned(), |peer| peer.to_string());
            tracing::warn!(
                code,
                reason,
                peer,
                held_back,
                "refused a request from {peer}: {}",
                denied.detail()
            );
        }
        let second = START.elapsed().as_secs() & u64::from(u32::MAX);
        let second = u32::try_from(second).expect("it is masked");
        counted(match self.failures.count(peer, second) {
            true => denied,
            false => Denied::TooManyFailures,
        })
    }
}

pub(super) fn counted(denied: Denied) -> Denied {
    metrics::counter!(KEYS_REFUSED.name, "reason" => denied.reason()).increment(1);
    denied
}

/// The secret in the one header `Authorization`.
fn shown(headers: &HeaderMap) -> Result<KeySecret, Denied> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(Denied::NoKey);
    };
    if values.next().is_some() {
        return Err(Denied::NotAKey);
    }
    bearer(value)
        .and_then(KeySecret::read)
        .ok_or(Denied::NotAKey)
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let (scheme, rest) = value.as_bytes().split_at_checked(SCHEME.len())?;
    let token = rest.trim_ascii_start();
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME) && token.len() < rest.len();
    is_bearer.then(|| token.trim_ascii_end())
}

impl Ring {
    fn of(records: Vec<KeyRecord>, before: &Self) -> Result<Self, KeysInvalid> {
        let mut ring = Self::default();
        let mut names = std::collections::HashSet::new();
        for record in records {
            check_name(&record.name)?;
            if !record.tenant.is_empty() {
                check_name(&record.tenant)?;
            }
            if !names.insert(record.name.clone()) {
                return Err(KeysInvalid::NameTwice(record.name));
            }
            if let Some(other) = ring.find(&record.hash) {
                let other = other.record.name.clone();
                return Err(KeysInvalid::HashTwice(other, record.name));
            }
            if [record.requests_per_s, record.commands_per_s].contains(&Some(0)) {
                return Err(KeysInvalid::RateOfZero(record.name));
            }
            let earlier = before.find(&record.hash);
            let key = Key::new(record, earlier.as_deref());
            let place = ring.0.entry(key.record.hash.first_bytes()).or_default();
            place.push(Arc::new(key));
        }
        Ok(ring)
    }

    fn find(&self, hash: &KeyHash) -> Option<Arc<Key>> {
        let keys = self.0.get(&hash.first_bytes())?;
        keys.iter().find(|key| key.record.hash == *hash).cloned()
    }

    fn records(&self) -> HashMap<&str, &KeyRecord> {
        let keys = self.0.values().flatten();
        keys.map(|key| (key.record.name.as_str(), &key.record))
            .collect()
    }

    fn changes_since(&self, before: &Self) -> KeyChanges {
        let (now, before) = (self.records(), before.records());
        let mut changes = KeyChanges {
            valid_count: now.values().filter(|key| key.revoked_at.is_none()).count(),
            ..KeyChanges::default()
        };
        for (name, record) in &now {
            match before.get(name) {
                None => changes.added.push((*name).to_owned()),
                Some(earlier) if earlier != record => changes.changed.push((*name).to_owned()),
                Some(_) => {}
            }
        }
        let gone = before.keys().filter(|name| !now.contains_key(*name));
        changes.removed = gone.map(|name| (*name).to_owned()).collect();
        for names in [
            &mut changes.added,
            &mut changes.changed,
            &mut changes.removed,
        ] {
            names.sort();
        }
        changes
    }
}

impl Key {
    fn take_request(&self) -> Result<(), Denied> {
        take(self.requests.as_deref(), "requests", 1)
    }

    /// Takes so many commands of what the key may give in a second.
    pub(super) fn take_commands(&self, count: usize) -> Result<(), Denied> {
        take(self.commands.as_deref(), "commands", count as u64)
    }

    fn check(&self, access: Access) -> Result<(), Denied> {
        let missing = match access {
            Access::Open | Access::AnyKey => None,
            Access::Scope(scope) if self.scopes.has(scope) => None,
            Access::Scope(scope) => Some(scope),
            Access::Commands
                if self.scopes.has(Scope::Write) || self.scopes.has(Scope::Operate) =>
            {
                None
            }
            Access::Commands => Some(Scope::Write),
        };
        missing.map_or(Ok(()), |scope| Err(Denied::ScopeMissing(scope)))
    }

    pub(super) fn allows(&self, id: &AccountId) -> bool {
        let patterns = &self.record.accounts;
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(id))
    }
}

fn take(rate: Option<&Rate>, what: &'static str, count: u64) -> Result<(), Denied> {
    let Some(rate) = rate else {
        return Ok(());
    };
    let now_ns = whole_nanos(START.elapsed());
    rate.take(count, now_ns)
        .map_err(|wait| Denied::RateLimited {
            what,
            per_s: rate.per_s(),
            wait,
        })
}

impl Caller {
    /// Whose ids an `Idempotency-Key` of the caller stands for.
    pub(crate) fn tenant(&self) -> &str {
        match self {
            Self::Anyone | Self::OfChallenge => "",
            Self::Key(key) => &key.record.tenant,
        }
    }

    /// The caller's key.
    pub(crate) fn key(&self) -> Option<Arc<Key>> {
        match self {
            Self::Anyone | Self::OfChallenge => None,
            Self::Key(key) => Some(Arc::clone(key)),
        }
    }

    /// Whether the caller's accounts are limited.
    pub(crate) fn is_limited(&self) -> bool {
        match self {
            Self::Anyone | Self::OfChallenge => false,
            Self::Key(key) => !key.record.accounts.is_empty(),
        }
    }

    /// The patterns of the accounts that the caller may use; `None` if it may use all.
    pub(super) fn account_patterns(&self) -> Option<&[AccountPattern]> {
        match self {
            Self::Anyone | Self::OfChallenge => None,
            Self::Key(key) => Some(&*key.record.accounts).filter(|patterns| !patterns.is_empty()),
        }
    }

    /// Whether the caller may use the account.
    pub(crate) fn may_use(&self, id: &AccountId) -> bool {
        match self {
            Self::Anyone | Self::OfChallenge => true,
            Self::Key(key) => key.allows(id),
        }
    }

    /// Fails if the caller may not use the account.
    pub(crate) fn check_account(&self, id: &AccountId) -> Result<(), Denied> {
        match self {
            Self::Key(key) if !key.allows(id) => {
                Err(counted(Denied::AccountNotAllowed(Some(id.clone()))))
            }
            Self::Anyone | Self::OfChallenge | Self::Key(_) => Ok(()),
        }
    }

    /// Whether the caller may look at what is about these accounts and no others: if it may use one of them that
    /// callers open, or all of them.
    ///
    /// One of the system's opens nothing by itself: a key that takes deposits may use `world:BRL`, and the deposits
    /// of others are none of its business.
    pub(crate) fn may_look_at(&self, ids: &[&AccountId]) -> bool {
        let Self::Key(key) = self else { return true };
        !self.is_limited() || lets_see(ids, |id| key.allows(id))
    }

    /// Fails if the caller may not look at what is about these accounts, and names none: the caller may not know
    /// them.
    pub(crate) fn check_look_at(&self, ids: &[&AccountId]) -> Result<(), Denied> {
        match self.may_look_at(ids) {
            true => Ok(()),
            false => Err(counted(Denied::AccountNotAllowed(None))),
        }
    }

    /// Fails if the caller's accounts are limited: for what is about all of them.
    pub(crate) fn check_all(&self) -> Result<(), Denied> {
        match self.is_limited() {
            true => Err(counted(Denied::AccountNotAllowed(None))),
            false => Ok(()),
        }
    }
}

/// Whether something about these accounts is shown to somebody whom these accounts are allowed to: one of those that
/// callers open, or all of them. See [`Caller::may_look_at`].
pub(crate) fn lets_see(ids: &[&AccountId], allows: impl Fn(&AccountId) -> bool) -> bool {
    let may_use_one = ids.iter().any(|id| !id.is_reserved() && allows(id));
    may_use_one || (!ids.is_empty() && ids.iter().all(|id| allows(id)))
}
