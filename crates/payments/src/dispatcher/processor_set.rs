//! A set of processors, a bit for each.

use crate::policy::{PROCESSORS_MAX, ProcessorIndex};

/// Some of a policy's processors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProcessorSet(u64);

impl ProcessorSet {
    /// The first `count` of a policy's processors.
    pub(super) const fn first(count: usize) -> Self {
        stdx::invariant!(
            count <= PROCESSORS_MAX,
            "a policy has at most 64 processors"
        );
        match count {
            0 => Self(0),
            count => Self(u64::MAX >> (PROCESSORS_MAX - count)),
        }
    }

    pub(super) const fn contains(self, processor: ProcessorIndex) -> bool {
        self.0 & Self::bit(processor) != 0
    }

    pub(super) const fn insert(&mut self, processor: ProcessorIndex) {
        self.0 |= Self::bit(processor);
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn bit(processor: ProcessorIndex) -> u64 {
        1 << processor.get()
    }
}
