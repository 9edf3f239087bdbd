//! Statements that are sent together and that the server runs one after the other: one round trip.
//!
//! A statement is on its way when [`Sent::new`] returns: statements run in the order in which they
//! were made. In a transaction the failure of one makes all that come after it fail too, a commit
//! included.
//!
//! Answers are waited for all at once, or in the order of sending. The client reads them in that
//! order and holds few messages of each: while it has some of one that nobody waits for, it reads
//! none of those behind it, and waiting for one of these would never end (tokio-postgres 0.7).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_util::future::{MaybeDone, maybe_done};
use tokio_postgres::Error;

/// A statement that is on its way.
pub(crate) struct Sent<'a, T>(MaybeDone<Request<'a, T>>);

type Request<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

impl<'a, T> Sent<'a, T> {
    /// Sends a request of a client: a client writes it when it is polled first.
    pub(crate) async fn new(request: impl Future<Output = Result<T, Error>> + Send + 'a) -> Self {
        let mut sent = maybe_done(Box::pin(request) as Request<'a, T>);
        poll_fn(|context| {
            let _may_be_answered = Pin::new(&mut sent).poll(context);
            Poll::Ready(())
        })
        .await;
        Self(sent)
    }

    /// Waits for the answer.
    pub(crate) async fn answer(mut self) -> Result<T, Error> {
        let mut sent = Pin::new(&mut self.0);
        sent.as_mut().await;
        match sent.take_output() {
            Some(answer) => answer,
            None => unreachable!("it was waited for, and is taken once"),
        }
    }
}
