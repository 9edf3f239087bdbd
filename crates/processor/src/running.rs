//! A processor with a thread of its own, so that it does not disturb who asks it.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::{Host, Processor, ProcessorSettings};

/// A processor that is served; it ends when dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    processor: Processor,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Serves a new processor at an address; port 0 is any free one.
    pub fn start(listen: SocketAddr, settings: ProcessorSettings) -> io::Result<Self> {
        let (started, start) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("processor-{}", settings.name))
            .spawn(move || run(listen, settings, &started, stopped))?;
        let (address, processor) = start
            .recv()
            .map_err(|_| io::Error::other("the processor's thread has ended"))??;
        Ok(Self {
            address,
            processor,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, such as `http://127.0.0.1:8001`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The processor itself.
    #[must_use]
    pub const fn processor(&self) -> &Processor {
        &self.processor
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody hears it when the thread has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Started = io::Result<(SocketAddr, Processor)>;

fn run(
    listen: SocketAddr,
    settings: ProcessorSettings,
    started: &mpsc::Sender<Started>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        let processor = Processor::new(settings);
        let host = match Host::bind(listen) {
            Ok(host) => host,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        if started
            .send(Ok((host.address(), processor.clone())))
            .is_err()
        {
            return;
        }
        let stop = async {
            let _ = stopped.await;
        };
        let name = processor.name().to_owned();
        if let Err(error) = host.serve(processor, stop).await {
            eprintln!("processor {name} is not served any more: {error}");
        }
    });
}
