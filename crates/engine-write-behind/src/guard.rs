//! Whether Redis takes writes and keeps what it answers, as far as this node knows.

use std::sync::Arc;

use ledger::Unavailable;
use parking_lot::Mutex;
use stdx::ErrorChain;

use crate::error::Trouble;

/// How a node and its stores are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Writes are taken.
    Ready,
    /// They are not.
    Refuses {
        /// What callers are told.
        code: Unavailable,
        /// Why, and what to do about it.
        why: Arc<str>,
    },
}

impl Condition {
    pub(crate) fn of(trouble: &Trouble) -> Self {
        Self::refuses(trouble.unavailable(), ErrorChain(trouble).to_string())
    }

    pub(crate) fn refuses(code: Unavailable, why: impl Into<Arc<str>>) -> Self {
        let why = why.into();
        Self::Refuses { code, why }
    }
}

/// What was last seen.
#[derive(Debug)]
pub(crate) struct Guard {
    /// What is wrong with Redis' settings.
    wrong: Mutex<Option<Arc<str>>>,
    condition: Mutex<Condition>,
}

impl Default for Guard {
    fn default() -> Self {
        let condition = Condition::refuses(
            Unavailable::LedgerUnavailable,
            "Redis has not been compared with the database yet",
        );
        Self {
            wrong: Mutex::default(),
            condition: Mutex::new(condition),
        }
    }
}

impl Guard {
    /// Nothing is sent to a Redis that would lose what it answers.
    pub(crate) fn check(&self) -> Result<(), Unavailable> {
        match *self.wrong.lock() {
            None => Ok(()),
            Some(_) => Err(Unavailable::StorageFailed),
        }
    }

    /// What the settings were found to be: `None` where nothing is wrong with them.
    pub(crate) fn note_settings(&self, wrong: Option<String>) {
        *self.wrong.lock() = wrong.map(Into::into);
    }

    /// Whether writes were taken when it was last tried, and whether reads are answered; wrong settings
    /// come before.
    pub(crate) fn note(&self, found: Condition, reads_go_on: bool) {
        let found = match &*self.wrong.lock() {
            Some(why) => Condition::refuses(Unavailable::StorageFailed, Arc::clone(why)),
            None => found,
        };
        let mut condition = self.condition.lock();
        if *condition == found {
            return;
        }
        match &found {
            Condition::Ready => tracing::info!("Redis accepts writes"),
            Condition::Refuses { code, why } if reads_go_on => tracing::error!(
                code = code.code(),
                why = &**why,
                "WRITES ARE REFUSED: Redis accepts no writes, or would not keep what it answers; reads go on. \
                 The reason, and what to do, is in `why`"
            ),
            Condition::Refuses { code, why } => tracing::error!(
                code = code.code(),
                why = &**why,
                "WRITES ARE REFUSED, and reads too: Redis does not answer, or may not be gone on with. The \
                 reason, and what to do, is in `why`"
            ),
        }
        *condition = found;
    }

    pub(crate) fn condition(&self) -> Condition {
        self.condition.lock().clone()
    }
}
