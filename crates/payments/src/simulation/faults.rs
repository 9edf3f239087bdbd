//! What goes wrong in a run, and how often.

use rand::Rng;
use rand::rngs::SmallRng;

use crate::dispatcher::Planted;

/// A mistake planted to show that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// "Already recorded" is taken for a failure.
    AlreadyRecordedFails,
    /// A processor that does not have it now is believed never to have it.
    UnpinnedAtOnce,
    /// Bytes leave although the payment's lease is over.
    LeaseUnchecked,
    /// Bytes leave although the lease of the node's claims is over: others have the payment.
    ClaimsUnchecked,
    /// A request that is sent again tells a new time.
    RequestedAtRenewed,
    /// The kernel goes on sending the bytes of a request that was given up.
    BytesKept,
    /// "Not recorded" is believed, and the payment goes elsewhere without a question.
    DenialBelieved,
    /// An operator's decision does not wait for the lease of the send.
    OperatorUnchecked,
    /// `sent` that is answered as a replay is taken for a fresh attempt.
    ReplayTakenForFresh,
    /// A breaker lets nothing through while anything is pinned to its processor.
    ProbesOnlyWhenIdle,
    /// The oldest payment finds out whether a processor is back, whatever is known.
    OldestProbes,
    /// A payment that a processor does not take goes there again at once.
    NoWaitOfItsOwn,
    /// What a processor has not decided is taken for not recorded.
    PendingFails,
}

impl Bug {
    /// The mistake of a dispatcher's own; `None` for one of what is around it.
    pub(super) const fn planted(self) -> Option<Planted> {
        match self {
            Self::AlreadyRecordedFails => Some(Planted::AlreadyRecordedFails),
            Self::UnpinnedAtOnce => Some(Planted::UnpinnedAtOnce),
            Self::DenialBelieved => Some(Planted::DenialBelieved),
            Self::ReplayTakenForFresh => Some(Planted::ReplayTakenForFresh),
            Self::ProbesOnlyWhenIdle => Some(Planted::ProbesOnlyWhenIdle),
            Self::OldestProbes => Some(Planted::OldestProbes),
            Self::NoWaitOfItsOwn => Some(Planted::NoWaitOfItsOwn),
            Self::PendingFails => Some(Planted::PendingFails),
            Self::LeaseUnchecked
            | Self::ClaimsUnchecked
            | Self::RequestedAtRenewed
            | Self::BytesKept
            | Self::OperatorUnchecked => None,
        }
    }
}

/// Chances in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) request_lost: u32,
    pub(super) bytes_late: u32,
    /// Something on the way repeats the request, and hands on the answer to the repetition.
    pub(super) repeated: u32,
    pub(super) answer_repeated: u32,
    pub(super) command_slow: u32,
    pub(super) operator_in_s: u32,
    pub(super) answer_lost: u32,
    pub(super) no_connection: u32,
    pub(super) recorded_late: u32,
    pub(super) error_after_recording: u32,
    pub(super) failing: u32,
    pub(super) busy: u32,
    pub(super) refusing: u32,
    pub(super) question_fails: u32,
    pub(super) paused_before_write: u32,
    pub(super) ledger_silent: u32,
    pub(super) crash_in_s: u32,
    pub(super) frozen_in_s: u32,
    pub(super) cut_off_in_s: u32,
    pub(super) clock_step_in_s: u32,
}

impl Faults {
    /// Each fault is absent in about half of the runs, rare in others, frequent in some.
    pub(super) fn random(rng: &mut SmallRng) -> Self {
        let mut chance = |max: u32| match rng.random_range(0..4) {
            0 | 1 => 0,
            2 => max / 10,
            _ => max,
        };
        Self {
            request_lost: chance(200),
            bytes_late: chance(200),
            repeated: chance(200),
            answer_repeated: chance(200),
            command_slow: chance(100),
            operator_in_s: chance(700),
            answer_lost: chance(300),
            no_connection: chance(200),
            recorded_late: chance(300),
            error_after_recording: chance(200),
            failing: chance(500),
            busy: chance(400),
            refusing: chance(100),
            question_fails: chance(400),
            paused_before_write: chance(150),
            ledger_silent: chance(200),
            crash_in_s: chance(300),
            frozen_in_s: chance(150),
            cut_off_in_s: chance(150),
            clock_step_in_s: chance(500),
        }
    }
}
