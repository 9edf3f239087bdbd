//! Words of the API: closed lists that later versions of the server may add to.

/// An enum of words with a place for those that this version does not know.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$doc])* #[doc = concat!("`", $text, "`.")] $variant,)+
            /// A word that this version of the client does not know, as the server wrote it.
            Other(String),
        }

        impl $name {
            /// Every word that this version knows.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The word as the API has it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)+
                    _ => Self::Other(text),
                }
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$variant => $text.to_owned(),)+
                    $name::Other(text) => text,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Which new debits and credits of an account are stopped.
    Frozen {
        /// Nothing is stopped:
        None = "none",
        /// New debits are:
        Debits = "debits",
        /// New credits are:
        Credits = "credits",
        /// Both are:
        Both = "both",
    }
}

words! {
    /// What a transfer is.
    TransferKind {
        /// Money moved at once:
        Transfer = "transfer",
        /// Money reserved:
        Pend = "pend",
        /// What was reserved, moved in full or in part:
        Post = "post",
        /// What was reserved, released:
        Void = "void",
        /// The money of a payment that was settled:
        Settle = "settle",
        /// Money moved back:
        Reverse = "reverse",
        /// Released because the time was over, in events only:
        Expire = "expire",
    }
}

words! {
    /// What became of a pending transfer.
    PendingState {
        /// Nothing yet, or some of it was posted:
        Pending = "pending",
        /// Its last post was made:
        Posted = "posted",
        /// It was released:
        Voided = "voided",
        /// Its time was over:
        Expired = "expired",
    }
}

words! {
    /// Where a queued transfer is.
    QueuedState {
        /// Accepted, and not applied yet:
        Queued = "queued",
        /// Applied:
        Applied = "applied",
        /// Refused when it was applied:
        Refused = "refused",
    }
}

words! {
    /// Where a payment is.
    PaymentState {
        /// It waits to be sent:
        Accepted = "accepted",
        /// A processor was asked to record it:
        Sent = "sent",
        /// A processor has recorded it:
        Settled = "settled",
        /// It will not be paid:
        Refused = "refused",
    }
}

words! {
    /// The order of a list: of a statement's entries, of transfers or of payments.
    ListOrder {
        /// The newest first:
        NewestFirst = "desc",
        /// The oldest first:
        OldestFirst = "asc",
    }
}

words! {
    /// What an operator decides about a payment.
    ResolutionKind {
        /// The processor has recorded it:
        Settled = "settled",
        /// The processor has not and never will; the payment waits again:
        Release = "release",
        /// The payment is given up:
        Refuse = "refuse",
    }
}

words! {
    /// Where a delivery of a webhook is.
    DeliveryState {
        /// It was not taken yet:
        Waiting = "waiting",
        /// It was taken:
        Delivered = "delivered",
        /// It was given up, and can be tried again:
        Dead = "dead",
    }
}

words! {
    /// Whether an endpoint of webhooks sends.
    EndpointState {
        /// It sends:
        Active = "active",
        /// Its receiver has taken nothing since it failed:
        Failing = "failing",
        /// By an operator, the configuration or its receiver:
        Disabled = "disabled",
        /// Something has to be mended:
        Stopped = "stopped",
        /// Another node that shares the ledger sends:
        Standby = "standby",
    }
}
