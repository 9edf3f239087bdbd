//! All entries of a window in one answer, read piece by piece: memory holds one piece at a time.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use futures_util::stream;
use hyper::body::Bytes;
use ledger::{AccountId, Currency, Statement, Transfer};

use super::super::views::{ACCOUNT_BYTES_MAX, ENTRY_BYTES_MAX, EntryView};
use super::csv;
use super::range::{Range, Rest};
use super::system::Pieces;
use super::window::{Order, Window};
use crate::call::{Answered, Call};
use crate::errors;
use crate::problem::Problem;
use crate::room::Place;

/// How many entries are read at a time.
const PIECE_ENTRIES: usize = 250;
/// How often a piece is asked for again where the ledger has too much to do, and how long is waited before.
const ATTEMPTS_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// How an entry becomes a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Json,
    Csv,
}

/// Answers with all entries of the window. The first piece is read before the answer begins, so that what is wrong is
/// told as ever; later a piece that cannot be read breaks the answer off.
pub(super) async fn respond(call: Call, id: AccountId, window: &Window, lines: Lines) -> Answered {
    let place = call.place(2 * (ACCOUNT_BYTES_MAX + PIECE_ENTRIES * ENTRY_BYTES_MAX))?;
    let (rest, range) = match id.is_reserved() {
        true => {
            let Some(account) = call.account(id.clone()).await? else {
                return Err(errors::account_not_found(id.as_str()));
            };
            let pieces = Pieces::begin(&call, &id, *window).await?;
            (Left::OfSystem(pieces, account.currency), None)
        }
        false => {
            let range = Range::find(&call, &id, window, None).await?;
            (Left::Numbered(range.rest(window.order, None)), Some(range))
        }
    };
    let mut reading = Reading {
        rest,
        call,
        id,
        window: *window,
        lines,
        _place: place,
    };
    let mut first = Vec::new();
    if lines == Lines::Csv {
        first.extend_from_slice(csv::HEADER.as_bytes());
    }
    reading.piece(&mut first).await?;
    let pieces = stream::unfold(Some((reading, first)), |state| async move {
        let (mut reading, piece) = state?;
        if !piece.is_empty() {
            return Some((Ok(Bytes::from(piece)), Some((reading, Vec::new()))));
        }
        if reading.rest.is_empty() {
            return None;
        }
        let mut piece = Vec::new();
        match reading.patiently(&mut piece).await {
            Ok(()) => Some((Ok(Bytes::from(piece)), Some((reading, Vec::new())))),
            Err(problem) => {
                tracing::warn!(
                    code = problem.code.as_str(),
                    "an answer with all entries of an account was broken off, as not all of it could be read: {}",
                    problem.detail
                );
                Some((Err(io::Error::other(problem.code.as_str())), None))
            }
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    let (content_type, disposition) = match lines {
        Lines::Json => (
            "application/x-ndjson",
            "attachment; filename=\"statement.ndjson\"",
        ),
        Lines::Csv => (
            "text/csv; charset=utf-8; header=present",
            "attachment; filename=\"statement.csv\"",
        ),
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    let Some(range) = range else {
        return Ok(response);
    };
    let mut tell = |name, value: i64| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    };
    tell("lastro-opening-balance", range.opening_balance);
    tell("lastro-closing-balance", range.closing_balance);
    headers.insert(
        HeaderName::from_static("lastro-entries"),
        HeaderValue::from(range.entries_count()),
    );
    Ok(response)
}

/// What was not read yet.
enum Left {
    Numbered(Rest),
    /// Of one of the system's accounts.
    OfSystem(Pieces, Currency),
}

impl Left {
    const fn is_empty(&self) -> bool {
        match self {
            Self::Numbered(rest) => rest.is_empty(),
            Self::OfSystem(pieces, _) => pieces.is_over,
        }
    }
}

/// An answer in progress.
struct Reading {
    call: Call,
    id: AccountId,
    window: Window,
    rest: Left,
    lines: Lines,
    _place: Place,
}

impl Reading {
    /// Adds the lines of the next entries.
    async fn piece(&mut self, to: &mut Vec<u8>) -> Result<(), Problem> {
        let order = self.window.order;
        let rest = match &mut self.rest {
            Left::Numbered(rest) => rest,
            Left::OfSystem(pieces, currency) => {
                let transfers = pieces.next(&self.call, &self.id, PIECE_ENTRIES).await?;
                self.lines
                    .write_transfers(&self.id, *currency, &transfers, to);
                return Ok(());
            }
        };
        let read = rest.read(&self.call, &self.id, order, PIECE_ENTRIES);
        let Some((statement, last)) = read.await? else {
            return Err(errors::account_not_found(self.id.as_str()));
        };
        self.lines.write(&self.id, &statement, to);
        let Rest { before, last: end } = *rest;
        *rest = match (last, order) {
            (None, _) => Rest {
                before,
                last: before,
            },
            (Some(last), Order::Ascending) => Rest {
                before: last,
                last: end,
            },
            (Some(last), Order::Descending) => Rest {
                before,
                last: last - 1,
            },
        };
        Ok(())
    }

    /// Does so with a deadline of its own, and again where the ledger did not answer.
    async fn patiently(&mut self, to: &mut Vec<u8>) -> Result<(), Problem> {
        let mut attempt = 1;
        loop {
            self.call.begin_again();
            match self.piece(to).await {
                Err(problem) if problem.status.is_server_error() && attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }
}

impl Lines {
    fn write_transfers(
        self,
        id: &AccountId,
        currency: Currency,
        transfers: &[Transfer],
        to: &mut Vec<u8>,
    ) {
        for transfer in transfers {
            match self {
                Self::Json => {
                    let written =
                        serde_json::to_writer(&mut *to, &EntryView::of_transfer(transfer));
                    written.expect("an entry is plain data, and memory takes it");
                    to.push(b'\n');
                }
                Self::Csv => csv::write(id, currency, &EntryView::of_transfer(transfer), to),
            }
        }
    }

    fn write(self, id: &AccountId, statement: &Statement, to: &mut Vec<u8>) {
        for entry in &statement.entries {
            match self {
                Self::Json => {
                    let written = serde_json::to_writer(&mut *to, &EntryView::from(entry));
                    written.expect("an entry is plain data, and memory takes it");
                    to.push(b'\n');
                }
                Self::Csv => {
                    csv::write(id, statement.account.currency, &EntryView::from(entry), to);
                }
            }
        }
    }
}
