-- The ledger's tables. Every primary and unique key begins with the column its table would be
-- distributed by: the id, or the limited account. Times are nanoseconds since 1970 UTC; `record`
-- is a `ledger::Event` as postcard bytes, the journal's own format, so that an outcome comes back
-- bit for bit.

-- The limited accounts.
CREATE TABLE lastro.accounts (
    account_id text COLLATE "C" PRIMARY KEY,
    currency text NOT NULL,
    credit_limit bigint NOT NULL,
    -- The limit it was opened with: the first outcome under its id.
    credit_limit_opened bigint NOT NULL,
    debits_posted bigint NOT NULL,
    credits_posted bigint NOT NULL,
    debits_pending bigint NOT NULL,
    credits_pending bigint NOT NULL,
    entry_count bigint NOT NULL,
    closed boolean NOT NULL,
    opened_at bigint NOT NULL,
    -- No event of the account is later.
    newest_at bigint NOT NULL,
    CONSTRAINT within_its_limit CHECK (
        credits_posted + credit_limit - debits_posted - debits_pending >= 0)
) WITH (fillfactor = 50);

-- The unlimited accounts, 16 rows each: a call adds to one, the totals are their sum. They are
-- 64-bit numbers that wrap around.
CREATE TABLE lastro.stripes (
    account_id text COLLATE "C" NOT NULL,
    stripe smallint NOT NULL CHECK (stripe BETWEEN 0 AND 15),
    currency text NOT NULL,
    opened_at bigint NOT NULL,
    debits_posted bigint NOT NULL DEFAULT 0,
    credits_posted bigint NOT NULL DEFAULT 0,
    debits_pending bigint NOT NULL DEFAULT 0,
    credits_pending bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, stripe)
) WITH (fillfactor = 50);

-- The statements of the limited accounts.
CREATE TABLE lastro.entries (
    account_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    transfer_id uuid NOT NULL,
    kind text NOT NULL,
    debit_account_id text COLLATE "C" NOT NULL,
    credit_account_id text COLLATE "C" NOT NULL,
    amount bigint NOT NULL,
    description text NOT NULL,
    balance_after bigint NOT NULL,
    entered_at bigint NOT NULL,
    PRIMARY KEY (account_id, number)
);
CREATE UNIQUE INDEX entries_by_time ON lastro.entries (account_id, entered_at);

-- The used ids of the space of transfers, with what used them.
CREATE TABLE lastro.transfers (
    transfer_id uuid PRIMARY KEY,
    record bytea NOT NULL,
    -- Of a pending transfer: 0 pending, 1 posted, 2 voided, 3 expired.
    pending_state smallint
);

-- The limited accounts of the transfers that are pending now.
CREATE TABLE lastro.pendings (
    account_id text COLLATE "C" NOT NULL,
    transfer_id uuid NOT NULL,
    expires_at bigint,
    PRIMARY KEY (account_id, transfer_id)
);
CREATE INDEX pendings_by_transfer ON lastro.pendings (transfer_id);
CREATE INDEX pendings_by_expiry ON lastro.pendings (expires_at) WHERE expires_at IS NOT NULL;

-- The used ids of the space of payments.
CREATE TABLE lastro.payments (
    payment_id uuid PRIMARY KEY,
    record bytea NOT NULL,
    -- 0 accepted, 1 sent, 2 settled, 3 refused, 4 never accepted.
    state smallint NOT NULL,
    account_id text COLLATE "C",
    amount bigint NOT NULL,
    processor text COLLATE "C",
    requested_at_ms bigint,
    accepted_at bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX payments_open ON lastro.payments (accepted_at, payment_id) WHERE state IN (0, 1);
CREATE INDEX payments_settled ON lastro.payments (requested_at_ms) WHERE state = 2;
CREATE INDEX payments_by_acceptance ON lastro.payments (accepted_at);

-- When the payments were purged.
CREATE TABLE lastro.purges (
    purged_at bigint PRIMARY KEY
);

-- The used ids of atomic batches, with their members' first outcomes.
CREATE TABLE lastro.batches (
    batch_id uuid PRIMARY KEY,
    digest bytea NOT NULL,
    outcomes bytea NOT NULL
);

-- Two's complement, as the rules count unlimited totals.
CREATE FUNCTION lastro.add_wrapping(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT ((a::numeric + b + 27670116110564327424) % 18446744073709551616
        - 9223372036854775808)::bigint
$$;

CREATE FUNCTION lastro.now_ns() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000
$$;

-- The limited accounts that a call has to lock: those it names, those of the pending transfers and
-- payments it names, and the other sides of what is due on the ones named.
CREATE FUNCTION lastro.accounts_of(
    named text[], pending uuid[], paid uuid[], purge boolean, now_ns bigint
) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT unnest(named)
    UNION
    SELECT account_id FROM lastro.pendings WHERE transfer_id = ANY (pending)
    UNION
    SELECT account_id FROM lastro.payments
    WHERE payment_id = ANY (paid) AND account_id IS NOT NULL
    UNION
    SELECT account_id FROM lastro.payments
    WHERE purge AND state = 0 AND account_id IS NOT NULL
    UNION
    SELECT other.account_id FROM lastro.pendings due
    JOIN lastro.pendings other ON other.transfer_id = due.transfer_id
    WHERE due.account_id = ANY (named) AND due.expires_at <= now_ns
$$;
