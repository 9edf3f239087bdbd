//! The methods of the service, and the paths that they are called at.

/// The service's name.
pub const SERVICE: &str = "lastro.v1.Ledger";

macro_rules! methods {
    ($($(#[$meta:meta])* $method:ident;)*) => {
        /// A method of the service.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$meta])* $method,)*
        }

        impl Method {
            /// Every method; the place of each is its number (`method as usize`).
            pub const ALL: &'static [Self] = &[$(Self::$method),*];

            /// The name in the definitions.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$method => stringify!($method),)*
                }
            }

            /// The name with that of the service, as traces have it.
            #[must_use]
            pub const fn full_name(self) -> &'static str {
                match self {
                    $(Self::$method => concat!("lastro.v1.Ledger/", stringify!($method)),)*
                }
            }

            /// The path that it is called at.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$method => concat!("/lastro.v1.Ledger/", stringify!($method)),)*
                }
            }
        }
    };
}

methods! {
    /// Commands, in batches.
    Submit;
    /// One account.
    GetAccount;
    /// A page of an account's entries.
    GetStatement;
    /// A balance as it was at a time.
    GetBalanceAt;
    /// Up to which time everything can be read.
    GetSafeTime;
    /// One transfer, and how it ended if it was pending.
    GetTransfer;
    /// One payment.
    GetPayment;
    /// Counts and sums of payments, by processor.
    GetPaymentsSummary;
    /// Payments that are to be sent.
    ListPaymentsDue;
    /// What operators decided about a payment.
    ListResolutions;
    /// The time of the ledger's process.
    GetClock;
    /// Payments that are not settled, as their dispatcher knows them.
    ListUnsettledPayments;
    /// When the newest payment was accepted.
    GetNewestPayment;
    /// What commands would be answered.
    Preview;
    /// A page of the accounts.
    ListAccounts;
    /// The outcomes of an atomic batch.
    GetBatch;
    /// A page of transfers, by account or reference.
    ListTransfers;
    /// A page of an account's credit limits.
    ListLimits;
    /// A page of payments, in any state.
    ListPayments;
    /// Everything that was decided, from a position on.
    ListEvents;
}

impl Method {
    /// The method that is called at this path.
    #[must_use]
    pub fn at_path(path: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|method| method.path() == path)
    }
}

/// Whether this path is one of the service, known or not.
#[must_use]
pub fn is_of_service(path: &str) -> bool {
    let rest = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(SERVICE));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_are_those_of_the_definitions() {
        let definitions = include_str!("../lastro/v1/ledger.proto");
        let mut defined: Vec<&str> = definitions
            .lines()
            .filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next())
            .collect();
        let mut known: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        defined.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, defined);
    }

    #[test]
    fn a_path_leads_to_its_method() {
        for (number, method) in Method::ALL.iter().enumerate() {
            assert_eq!(*method as usize, number);
            assert_eq!(method.path(), format!("/{SERVICE}/{}", method.name()));
            assert_eq!(Method::at_path(method.path()), Some(*method));
        }
        assert_eq!(Method::at_path("/lastro.v1.Ledger/Submits"), None);
        assert!(is_of_service("/lastro.v1.Ledger/Submits"));
        for other in [
            "/lastro.v1.Ledgers/Submit",
            "/lastro.v1.Ledger",
            "lastro.v1.Ledger/Submit",
        ] {
            assert!(!is_of_service(other), "{other}");
        }
    }
}
