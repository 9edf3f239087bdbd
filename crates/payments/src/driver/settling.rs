//! Answers that were received and whose settlement is not in the summary yet.

use std::collections::BTreeMap;
use std::time::Instant;

use hashbrown::HashMap;
use ledger::PaymentId;
use parking_lot::Mutex;
use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Settling {
    open: Mutex<Open>,
    ended: Notify,
}

#[derive(Default)]
struct Open {
    /// How often all was cleared: under how many leases answers came before.
    cleared_count: u64,
    begun_count: u64,
    numbers: HashMap<PaymentId, u64>,
    in_order: BTreeMap<u64, PaymentId>,
}

impl Settling {
    /// What [`Self::begin`] has to be told of the lease under which a request leaves.
    pub(super) fn lease(&self) -> u64 {
        self.open.lock().cleared_count
    }

    /// A processor has said that it recorded the payment. Nobody hears of an answer that came under a
    /// lease that is over, and so nobody would ever end it.
    pub(super) fn begin(&self, id: PaymentId, lease: u64) {
        let mut open = self.open.lock();
        if lease != open.cleared_count {
            return;
        }
        open.begun_count += 1;
        let number = open.begun_count;
        open.in_order.insert(number, id);
        if let Some(before) = open.numbers.insert(id, number) {
            open.in_order.remove(&before);
        }
    }

    /// The ledger has it, or never will.
    pub(super) fn end(&self, id: PaymentId) {
        let mut open = self.open.lock();
        if let Some(number) = open.numbers.remove(&id) {
            open.in_order.remove(&number);
            drop(open);
            self.ended.notify_waiters();
        }
    }

    /// None of them will be answered any more.
    pub(super) fn clear(&self) {
        let mut open = self.open.lock();
        open.cleared_count += 1;
        open.numbers.clear();
        open.in_order.clear();
        drop(open);
        self.ended.notify_waiters();
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let open = self.open.lock();
        open.numbers.is_empty() && open.in_order.is_empty()
    }

    /// Waits until all that had begun by now has ended, up to the deadline.
    pub(super) async fn wait(&self, deadline: Instant) {
        let begun_count = self.open.lock().begun_count;
        loop {
            let ended = self.ended.notified();
            let first = self.open.lock().in_order.first_key_value().map(|(n, _)| *n);
            if first.is_none_or(|first| first > begun_count) {
                return;
            }
            if tokio::time::timeout_at(deadline.into(), ended)
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_what_had_begun_is_waited_for() {
        let settling = std::sync::Arc::new(Settling::default());
        let id = PaymentId::from_u128;
        let soon = |millis| Instant::now() + Duration::from_millis(millis);
        settling.wait(soon(60_000)).await;
        let lease = settling.lease();
        settling.begin(id(1), lease);
        settling.begin(id(2), lease);
        let started = Instant::now();
        settling.wait(soon(20)).await;
        assert!(started.elapsed() >= Duration::from_millis(20));
        let waiting = {
            let settling = std::sync::Arc::clone(&settling);
            tokio::spawn(async move { settling.wait(soon(60_000)).await })
        };
        tokio::task::yield_now().await;
        settling.begin(id(3), lease);
        settling.end(id(2));
        settling.end(id(1));
        tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .unwrap()
            .unwrap();
        settling.clear();
        settling.wait(soon(60_000)).await;
        // It came under the lease before.
        settling.begin(id(4), lease);
        assert!(settling.is_empty());
    }
}
