//! A ledger node and the API nodes before it, as real processes.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use testkit::LastroProcess;

use super::{assert_clean, binary, folder};

/// The folders of a ledger node and of API nodes, and the socket between them.
pub(crate) struct Nodes {
    folder: TempDir,
    /// A path that is short enough for a socket.
    sockets: TempDir,
}

impl Nodes {
    pub(crate) fn new() -> Self {
        Self {
            folder: folder(),
            sockets: tempfile::tempdir().unwrap(),
        }
    }

    /// Where the ledger node listens.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.sockets.path().join("ledger").display())
    }

    /// The ledger node's data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    pub(crate) fn ledger(&self, arguments: &[&str]) -> LastroProcess {
        let address = self.address();
        let role = ["--role", "ledger", "--grpc-listen", &address];
        LastroProcess::serve(&binary(), &self.data(), &[&role, arguments].concat()).unwrap()
    }

    /// An API node; one that is started again under its name finds its outbox again.
    pub(crate) fn api(&self, name: &str) -> LastroProcess {
        LastroProcess::start(self.api_command(name)).unwrap()
    }

    pub(crate) fn api_command(&self, name: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(["serve", "--role", "api", "--ledger", &self.address()]);
        command.arg("--data-dir").arg(self.folder.path().join(name));
        command
    }

    /// Stops the ledger node and checks its books.
    pub(crate) fn assert_clean(&self, ledger: LastroProcess) {
        assert!(ledger.stop().unwrap().success());
        assert_clean(&self.data());
    }
}
