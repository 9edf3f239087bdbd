//! Three nodes are replaced one after another while clients use all of them.

use std::time::Duration;

use testkit::servers::Cluster;

use super::world::World;

/// Between two nodes.
const PAUSE: Duration = Duration::from_secs(1);

/// A node that stops finishes what it has accepted: who repeats what was not answered sees no failure, and
/// nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_replaced_one_by_one_without_a_failed_operation() {
    if let Err(why) = Cluster::permitted() {
        println!("not tested: {why}");
        return;
    }
    let mut world = World::start().await;
    for index in 0..3 {
        tokio::time::sleep(PAUSE).await;
        let new = tokio::task::block_in_place(|| world.serve());
        let url = new.url().to_owned();
        let old = std::mem::replace(&mut world.nodes[index], new);
        world.book.nodes.write()[index] = url;
        let stopped = tokio::task::spawn_blocking(|| old.stop()).await.unwrap();
        assert!(stopped.unwrap().success());
    }
    world.writes_since(std::time::Instant::now()).await;
    let troubles = world.book.troubles.lock().clone();
    // A connection that a stopping node closes may break a request; nothing else may.
    let others = troubles.keys().filter(|what| *what != "no answer");
    assert_eq!(others.count(), 0, "{troubles:?}");
    world.audit().await;
}
