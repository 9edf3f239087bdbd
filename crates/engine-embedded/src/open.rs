//! Recovery: from the journal's records to the state they lead to.

use std::io;
use std::time::{Duration, Instant};

use journal::{Journal, Opened, Storage, Visited};
use ledger::Timestamp;

use crate::books::Books;
use crate::draft::Draft;
use crate::progress::OpeningProgress;
use crate::record::{RecordError, decode};
use crate::working::Drafting;

/// Why the engine could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal could not be opened.
    #[error(transparent)]
    Journal(#[from] journal::OpenError<ReplayError>),
    /// The writer's thread could not be started.
    #[error("the writer's thread could not be started")]
    Thread(#[source] io::Error),
}

/// A whole record that could not be taken in.
#[derive(Debug, thiserror::Error)]
#[error("{cause}, at journal address {address}; this build of Lastro cannot read the journal")]
pub struct ReplayError {
    /// Where the record is.
    pub address: u64,
    /// What is wrong with it.
    pub cause: RecordError,
}

/// What was found and replayed at the opening.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// What the journal says of itself.
    pub journal: Opened,
    /// How long it took.
    pub elapsed: Duration,
}

pub(crate) struct Recovered<S: Storage> {
    pub(crate) journal: Journal<S>,
    pub(crate) books: Books,
    pub(crate) draft: Draft,
    /// The newest event's time.
    pub(crate) last: Timestamp,
    pub(crate) recovery: Recovery,
}

pub(crate) fn recover<S: Storage>(
    storage: S,
    options: journal::JournalOptions,
    progress: Option<&OpeningProgress>,
) -> Result<Recovered<S>, OpenError> {
    let started = Instant::now();
    if let Some(progress) = progress {
        progress.begin(&storage);
    }
    let (mut books, mut draft) = (Books::default(), Draft::default());
    let mut last = Timestamp::default();
    let (journal, opened) = Journal::open(storage, options, |visited: Visited<'_>| {
        let address = visited.address;
        let recorded = decode(visited.payload).map_err(|cause| ReplayError {
            address: address.to_u64(),
            cause,
        })?;
        last = recorded.event.timestamp();
        Drafting {
            books: &books,
            draft: &mut draft,
        }
        .take_in(&recorded.event, address);
        if visited.last_in_frame {
            books.publish(&mut draft.open);
            if let Some(progress) = progress {
                progress.reach(visited.frame);
            }
        }
        Ok(())
    })?;
    if let Some(progress) = progress {
        progress.finish();
    }
    let recovery = Recovery {
        journal: opened,
        elapsed: started.elapsed(),
    };
    Ok(Recovered {
        journal,
        books,
        draft,
        last,
        recovery,
    })
}
