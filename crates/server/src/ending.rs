//! Requests that wait for long learn that the server stops, so that they end by themselves.

use axum::http::Request;
use tokio::sync::watch;

use crate::connection::Stage;
use crate::measure::Route;

/// When the server stops, as a request sees it.
#[derive(Debug, Clone)]
pub(crate) struct Ending(Option<watch::Receiver<Stage>>);

impl Ending {
    /// Tells a request of this kind when the server stops; others end soon by themselves, and are not told.
    pub(crate) fn tell<B>(request: &mut Request<B>, stage: &watch::Receiver<Stage>) {
        let path = request.uri().path();
        if path == Route::EVENTS.label() || path == proto::Method::ListEvents.path() {
            request.extensions_mut().insert(Self(Some(stage.clone())));
        }
    }

    /// What the request was told; a request that came another way than through a connection is told nothing.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let told = request.extensions().get::<Self>();
        told.cloned().unwrap_or(Self(None))
    }

    /// Whether the server stops.
    pub(crate) fn is_here(&self) -> bool {
        let stage = self.0.as_ref();
        stage.is_some_and(|stage| *stage.borrow() != Stage::Serving)
    }

    /// Does this, but no longer than until the server stops: `None` then.
    pub(crate) async fn unless_here<T>(&mut self, doing: impl Future<Output = T>) -> Option<T> {
        let here = async {
            match &mut self.0 {
                // An error means that nobody serves any more.
                Some(stage) => drop(stage.wait_for(|stage| *stage != Stage::Serving).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = here => None,
            done = doing => Some(done),
        }
    }
}
