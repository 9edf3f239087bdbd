//! A cluster, three nodes over it, two processors, and clients that go on whatever happens.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testkit::LastroProcess;
use testkit::servers::Cluster;
use tokio::task::JoinSet;

use super::CALM;
use super::audit;
use super::clients::{Book, Span};
use super::fault::Fault;
use super::operation::ACCOUNTS;
use crate::payments::lab::Lab;
use crate::support::{binary, metrics};

/// How long writes may stay away after anything that happens here.
const BOUND: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);
/// What was under way when something happened is answered by then.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// All of it. Clients work from the start to the audit.
pub(super) struct World {
    pub(super) nodes: Vec<LastroProcess>,
    pub(super) book: Arc<Book>,
    clients: JoinSet<()>,
    lab: Lab,
    cluster: Cluster,
    failovers: u32,
}

impl World {
    pub(super) async fn start() -> Self {
        let cluster = tokio::task::spawn_blocking(Cluster::start)
            .await
            .unwrap()
            .unwrap();
        let lab = Lab::new();
        let nodes: Vec<_> = (0..3).map(|_| serve(&lab, &cluster)).collect();
        let book = Book::new(nodes.iter().map(|node| node.url().to_owned()).collect());
        book.open_accounts().await;
        let clients = book.start();
        Self {
            nodes,
            book,
            clients,
            lab,
            cluster,
            failovers: 0,
        }
    }

    /// One more node, in place of another.
    pub(super) fn serve(&self) -> LastroProcess {
        serve(&self.lab, &self.cluster)
    }

    /// Lets something happen, and gives the longest time in which no write was answered. All is as it was when
    /// this returns.
    pub(super) async fn suffer(&mut self, fault: Fault) -> Duration {
        tokio::task::block_in_place(|| self.cluster.wait_until_whole()).unwrap();
        tokio::time::sleep(CALM).await;
        self.writes_since(Instant::now()).await;
        let before = self.cluster.wait_for_primary(BOUND).unwrap();
        let struck = Instant::now();
        tokio::task::block_in_place(|| fault.strike(&mut self.cluster, before)).unwrap();
        let happened = Instant::now();
        while happened.elapsed() < fault.lasts() {
            tokio::task::block_in_place(|| fault.go_on(&self.cluster, before));
            if fault.stops_writes() {
                // The clients wait for their writes.
                self.book.read(0, ACCOUNTS[0]).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        if fault.stops_writes() {
            self.assert_only_reads(happened + UNDER_WAY);
        }
        tokio::task::block_in_place(|| fault.end(&mut self.cluster, before)).unwrap();
        self.writes_since(struck).await;
        tokio::task::block_in_place(|| self.cluster.wait_until_whole()).unwrap();
        self.writes_since(Instant::now()).await;
        if self.cluster.primary() != Some(before) {
            self.failovers += 1;
        }
        self.book.longest_pause_since(struck)
    }

    /// Waits until a write is answered that was sent after this moment.
    pub(super) async fn writes_since(&self, moment: Instant) {
        let until = Instant::now() + BOUND;
        while !self.book.has_write_since(moment) {
            assert!(Instant::now() < until, "no write is answered for {BOUND:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn assert_only_reads(&self, since: Instant) {
        let is_since = |span: &&Span| span.sent >= since;
        let writes = self.book.writes.lock();
        let written = writes.iter().find(is_since);
        assert!(written.is_none(), "a write was answered without a standby");
        let reads = self.book.reads.lock();
        assert!(
            reads.iter().any(|read| is_since(&read)),
            "no read was answered"
        );
    }

    /// Ends the clients, and holds all that they were answered against what is there.
    pub(super) async fn audit(mut self) {
        self.book.stop();
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        tokio::task::block_in_place(|| self.cluster.wait_until_whole()).unwrap();
        audit::audit(&self.book).await;
        self.lab.accepted = std::mem::take(&mut *self.book.accepted.lock());
        self.lab.audit(&self.nodes[0]).await;
        for node in &mut self.nodes {
            let counted = counter(&metrics(node).await, "lastro_database_failovers_total");
            assert!(
                counted >= self.failovers,
                "{counted} of {} failovers",
                self.failovers
            );
        }
        for node in self.nodes {
            assert!(node.stop().unwrap().success());
        }
        let primary = self.cluster.wait_for_primary(BOUND).unwrap();
        let verified = Command::new(binary())
            .args(["verify", "--plaintext", "--database-url"])
            .arg(self.cluster.url_of(primary))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verified.stdout);
        assert!(verified.status.success(), "{said}");
    }
}

fn serve(lab: &Lab, cluster: &Cluster) -> LastroProcess {
    lab.serve_with(&cluster.url(), &["--plaintext"])
}

fn counter(metrics: &str, name: &str) -> u32 {
    let line = metrics.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
