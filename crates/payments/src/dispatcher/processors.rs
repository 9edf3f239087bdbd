//! All processors of the policy.

use std::ops::{Index, IndexMut};

use ledger::ProcessorName;

use super::processor::Processor;
use crate::policy::{PROCESSORS_MAX, ProcessorIndex, ProcessorPolicy};

/// One for each of the policy's, in its order of preference.
#[derive(Debug)]
pub(super) struct Processors(Vec<Processor>);

impl Processors {
    pub(super) fn new(policies: &[ProcessorPolicy]) -> Self {
        stdx::invariant!(
            policies.len() <= PROCESSORS_MAX,
            "the configuration allows at most 64 processors"
        );
        Self(policies.iter().cloned().map(Processor::new).collect())
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The preferred one first.
    pub(super) fn indices(&self) -> impl DoubleEndedIterator<Item = ProcessorIndex> + use<> {
        (0..self.0.len()).map(ProcessorIndex::new)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Processor> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Processor> {
        self.0.iter_mut()
    }

    /// The one of this name; `None` where it is not configured.
    pub(super) fn named(&self, name: &ProcessorName) -> Option<ProcessorIndex> {
        let is_it = |processor: &ProcessorIndex| self[*processor].policy().name == *name;
        self.indices().find(is_it)
    }
}

impl Index<ProcessorIndex> for Processors {
    type Output = Processor;

    fn index(&self, processor: ProcessorIndex) -> &Processor {
        &self.0[processor.get()]
    }
}

impl IndexMut<ProcessorIndex> for Processors {
    fn index_mut(&mut self, processor: ProcessorIndex) -> &mut Processor {
        &mut self.0[processor.get()]
    }
}
