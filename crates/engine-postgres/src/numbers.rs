//! Numbers that statements, migrations and code must agree on, once. A statement takes them as
//! macros, inside `concat!`; the code as constants. Migrations that are released hold their own
//! copies: a test compares them.

/// The number of an unlimited account's last row.
macro_rules! stripe_last {
    () => {
        15
    };
}

/// See [`EXPIRED_MAX`].
macro_rules! expired_max {
    () => {
        1000
    };
}

/// The advisory lock that a purge holds alone, and acceptances and settlements share.
macro_rules! purge_lock {
    () => {
        1818325108
    };
}

/// The number of a payment's state, as `lastro.payments.state` has it.
macro_rules! payment_state {
    (accepted) => {
        0
    };
    (sent) => {
        1
    };
    (settled) => {
        2
    };
    (refused) => {
        3
    };
    (acceptance_refused) => {
        4
    };
}

/// The condition that a payment is accepted or sent.
macro_rules! payment_is_open {
    () => {
        concat!(
            "state IN (",
            $crate::numbers::payment_state!(accepted),
            ", ",
            $crate::numbers::payment_state!(sent),
            ")"
        )
    };
}

/// The condition that a payment is settled.
macro_rules! payment_is_settled {
    () => {
        concat!("state = ", $crate::numbers::payment_state!(settled))
    };
}

/// How many rows an unlimited account has, over which calls spread what they add: they are
/// numbered from 0.
pub(crate) const STRIPES_COUNT: u16 = stripe_last!() + 1;

/// How many pending transfers expire in one call.
pub(crate) const EXPIRED_MAX: usize = expired_max!();

pub(crate) use {
    expired_max, payment_is_open, payment_is_settled, payment_state, purge_lock, stripe_last,
};

#[cfg(test)]
mod tests {
    const LEDGER: &str = include_str!("../migrations/0001_ledger.sql");
    const SUMS: &str = include_str!("../migrations/0002_payment_sums.sql");
    const EXPIRIES: &str = include_str!("../migrations/0003_bounded_expiries.sql");
    const CLAIMS: &str = include_str!("../migrations/0004_payment_claims.sql");

    #[track_caller]
    fn check(migration: &str, text: &str, occurrences: usize) {
        assert_eq!(migration.matches(text).count(), occurrences, "{text}");
    }

    #[test]
    fn migrations_agree_on_the_stripes() {
        check(
            LEDGER,
            concat!("CHECK (stripe BETWEEN 0 AND ", stripe_last!(), ")"),
            1,
        );
    }

    #[test]
    fn migrations_agree_on_how_much_expires_in_one_call() {
        check(EXPIRIES, concat!("LIMIT ", expired_max!(), "\n"), 2);
        check(EXPIRIES, "LIMIT", 2);
    }

    #[test]
    fn migrations_agree_on_the_states_of_payments() {
        let open = concat!("WHERE ", payment_is_open!());
        let accepted = concat!("WHERE purge AND state = ", payment_state!(accepted), " ");
        let settled = concat!("WHERE ", payment_is_settled!());
        check(LEDGER, open, 1);
        check(CLAIMS, open, 1);
        check(LEDGER, accepted, 1);
        check(EXPIRIES, accepted, 1);
        check(LEDGER, settled, 1);
        check(SUMS, settled, 1);
    }
}
