//! Who writes a sealed frame while the next one is gathered.

use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use journal::{SealedFrame, Storage, Written};
use stdx::StopOnPanic;

use crate::queue::Request;

/// Writes one frame at a time.
pub(crate) struct Syncer<S: Storage> {
    frames: Option<Sender<SealedFrame<S>>>,
    written: Receiver<Written>,
    /// Held until somebody waits for it, where there is no thread.
    late: Option<SealedFrame<S>>,
    thread: Option<JoinHandle<()>>,
}

/// What happened first.
pub(crate) enum Happened {
    Written(Written),
    Arrived(Request),
    /// Nothing will arrive any more.
    Closed,
}

impl<S: Storage> Syncer<S> {
    /// A thread writes.
    pub(crate) fn thread() -> io::Result<Self> {
        let (frames, to_write) = bounded::<SealedFrame<S>>(1);
        let (report, written) = bounded(1);
        let thread = std::thread::Builder::new()
            .name("lastro-sync".to_owned())
            .spawn(move || {
                let _stop = StopOnPanic("sync");
                for frame in to_write {
                    if report.send(frame.write()).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            frames: Some(frames),
            written,
            late: None,
            thread: Some(thread),
        })
    }

    /// The one that waits for the frame writes it: later than a thread ever would, and at the same
    /// moment in every run.
    pub(crate) fn late() -> Self {
        Self {
            frames: None,
            written: never(),
            late: None,
            thread: None,
        }
    }

    /// Has the frame written. The one before it must have been waited for.
    pub(crate) fn start(&mut self, frame: SealedFrame<S>) {
        match &self.frames {
            None => self.late = Some(frame),
            Some(frames) => {
                let sent = frames.send(frame);
                sent.unwrap_or_else(|_| panic!("the writer's helper is gone"));
            }
        }
    }

    /// Waits for the frame.
    pub(crate) fn wait(&mut self) -> Written {
        match self.late.take() {
            Some(frame) => frame.write(),
            None => match self.written.recv() {
                Ok(written) => written,
                Err(_) => panic!("the writer's helper is gone"),
            },
        }
    }

    /// The frame, if it is written already.
    pub(crate) fn poll(&self) -> Option<Written> {
        self.written.try_recv().ok()
    }

    /// Waits for the frame or for a request.
    pub(crate) fn wait_or(&mut self, requests: &Receiver<Request>) -> Happened {
        if self.late.is_some() {
            return match requests.try_recv() {
                Ok(request) => Happened::Arrived(request),
                Err(_) => Happened::Written(self.wait()),
            };
        }
        select! {
            recv(requests) -> request => request.map_or(Happened::Closed, Happened::Arrived),
            recv(self.written) -> written => match written {
                Ok(written) => Happened::Written(written),
                Err(_) => panic!("the writer's helper is gone"),
            },
        }
    }
}

impl<S: Storage> Drop for Syncer<S> {
    fn drop(&mut self) {
        drop(self.frames.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has stopped the process already.
            let _ = thread.join();
        }
    }
}
