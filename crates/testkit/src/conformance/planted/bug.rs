//! The bugs that are planted.

use ledger::Field;

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    /// None: this engine must pass.
    None,
    /// An account may pass its limit by 1.
    LimitOffByOne,
    /// What is pending is not taken off what is available.
    PendingNotCounted,
    /// A closed account takes debits and credits.
    ClosedAccepts,
    /// Money moves between currencies.
    CurrencyUnchecked,
    /// A credit may pass 2^53 - 1.
    OverflowUnchecked,
    /// A limit may be set below what is already used.
    LimitChangeUnchecked,
    /// An account may be closed with something pending.
    CloseWithPending,
    /// A transfer with a used id is decided again.
    ReplayDecidedAnew,
    /// A refused transfer is decided again.
    RefusalForgotten,
    /// `open_account` is answered again with the account as it is now.
    FirstOutcomeNotKept,
    /// What exists is answered as created.
    ExistsNotMarked,
    /// Other content in this field is answered as if it were the same.
    ConflictUnnoticed(Field),
    /// Pending transfers never expire.
    ExpiryIgnored,
    /// Pending transfers expire a second late.
    ExpiryLate,
    /// Pending transfers expire a nanosecond late.
    ExpiryOffByOne,
    /// A posted pending transfer may be posted again.
    PostTwice,
    /// A voided pending transfer may be posted.
    PostAfterVoid,
    /// More of a transfer may be reversed than it moved.
    ReversedTooMuch,
    /// A reversal may be reversed.
    ReversalReversed,
    /// What was reversed before is read as nothing.
    ReversedAmountLost,
    /// What was not posted stays reserved.
    PartialPostKeepsRest,
    /// A post that keeps the rest reserved releases it.
    PartReleasesRest,
    /// More of a pending transfer may be posted than parts have left of it.
    PartsPassWhole,
    /// A part that reaches the whole does not end the pending transfer.
    LastPartKeepsPending,
    /// What parts have posted of a pending transfer is read as nothing.
    PartsLost,
    /// A pending transfer that was voided after parts is read as if none had been posted.
    PartsBeforeVoidLost,
    /// An account whose debits are frozen is debited.
    FrozenDebits,
    /// An account whose credits are frozen is credited.
    FrozenCredits,
    /// What is reserved on a frozen account cannot be posted.
    FreezeStopsPosts,
    /// What a change of a freeze expects is not looked at.
    FreezeUnchecked,
    /// A refused transfer lowers the debit account's limit.
    RefusalChangesAccount,
    /// Of two missing accounts the credit account is named.
    ChecksInOtherOrder,
    /// Descriptions lose their outer white space.
    DescriptionTrimmed,
    /// The members before the refused one are applied.
    AtomicHalfApplied,
    /// A failed atomic batch is decided again.
    AtomicFailureForgotten,
    /// A member whose id was used before does not fail its atomic batch.
    AtomicTakesUsedMember,
    /// Atomic batches are applied as independent ones.
    AtomicIgnored,
    /// Two outcomes of a batch change places.
    OutcomesSwapped,
    /// Two batches of a submit change places.
    BatchesSwapped,
    /// Timestamps follow a clock that stands still or steps back.
    TimestampsFollowClock,
    /// A payment's expected state is not looked at.
    PaymentStateUnchecked,
    /// A payment's expected attempt is not looked at.
    PaymentAttemptUnchecked,
    /// A refused payment's amount stays reserved.
    PaymentReservationKept,
    /// A settlement moves the money twice.
    SettlementTwice,
    /// A payment's newest resolution is not told.
    ResolutionForgotten,
    /// A payment's newest resolution is told twice.
    ResolutionTwice,
    /// Who resolved a payment and why change places.
    WhoIsWhy,
    /// A purge takes payments that it does not expect.
    PurgeUnchecked,
    /// A purge makes no difference to the summary.
    SummaryCountsPurged,
    /// The summary leaves out its upper bound.
    SummaryExcludesTo,
    /// Sent payments are not due.
    DueForgetsSent,
    /// The newest payments are due first.
    DueNewestFirst,
    /// A page of due payments begins with the oldest, whatever it was asked to come behind.
    DueForgetsPlace,
    /// A statement tells the balance before each credit.
    BalanceBefore,
    /// A statement's numbers skip one.
    EntryNumberGap,
    /// A page's first two entries change places.
    EntriesSwapped,
    /// A page begins with the entry that it has to come before.
    PageIncludesBefore,
    /// The balance at a time leaves out what happened at that very time.
    BalanceAtExclusive,
    /// What an unlimited account was is read as what it is.
    UnlimitedPastIsNow,
    /// An entry does not say which pending transfer, payment or reversed transfer it is about.
    EntryCauseLost,
    /// The limits of an account do not say who decided them, and why.
    LimitCauseLost,
    /// The limits of an account begin behind the one that it was opened with.
    LimitsWithoutTheFirst,
    /// A transfer is read without its reference.
    ReferenceLost,
    /// A transfer is read without its metadata.
    MetadataLost,
    /// A pending transfer that was posted in part is read as posted in full.
    PartialPostReadInFull,
    /// A pending transfer that was voided is read without what voided it.
    VoidingForgotten,
    /// A page of accounts leaves out the one that it begins with.
    AccountLeftOut,
    /// A page of accounts begins with the one that it has to come behind.
    AccountListedTwice,
    /// The system's accounts are not listed.
    SystemAccountsUnlisted,
    /// Accounts are listed without a look at their currency.
    AccountsOfAnyCurrency,
    /// Closed accounts are listed with the others.
    AccountsClosedOrNot,
    /// A list of transfers leaves out voids.
    ListLeavesOutVoids,
    /// A page of a list leaves out what comes right behind the page before.
    ListLeavesOut,
    /// A list has the oldest first, whatever the order asked for.
    ListOldestFirst,
    /// A list goes on behind the time that it was to end with.
    ListForgetsUntil,
    /// A list does not say how pending transfers ended.
    ListForgetsEnds,
    /// A list of what a processor settled has what others did, too.
    ListOfAnyProcessor,
    /// An atomic batch that failed is not found.
    FailedBatchNotFound,
    /// A batch's outcomes are read as those of a batch that is given again.
    BatchReadAsReplayed,
    /// An account is read as it was when it was last read.
    StaleRead,
    /// A preview is done.
    PreviewDone,
    /// A preview of several batches takes each for the first.
    PreviewForgetsBatches,
    /// A page of events behind a position leaves out the first.
    FeedSkips,
    /// A page of events has two in each other's place.
    FeedSwaps,
    /// A page of events has no refusals.
    FeedForgetsRefusals,
    /// The last event is lost by a restart.
    RestartForgets,
}
