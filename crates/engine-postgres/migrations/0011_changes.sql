-- Events that no other table keeps whole: with them the whole history of a ledger can be read again. `record`
-- is a `ledger::Event` as postcard bytes, as elsewhere. What was decided before this migration, or by nodes of
-- an earlier version after it, is not in these tables.

-- Every change of a limited account that is no transfer: a limit, or the closing.
CREATE TABLE lastro.account_changes (
    account_id text COLLATE "C" NOT NULL,
    changed_at bigint NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (account_id, changed_at)
);

-- Every change of a payment but its acceptance and its settlement, which its own row and that of its
-- transfer have; and acceptances that were refused.
CREATE TABLE lastro.payment_changes (
    payment_id uuid NOT NULL,
    changed_at bigint NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (payment_id, changed_at)
);

-- When an atomic batch was decided. NULL for those decided before this column.
ALTER TABLE lastro.batches ADD COLUMN decided_at bigint;

-- An unfinished copy of another ledger into this database: while this row is there, nobody serves it.
CREATE TABLE lastro.copy (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- The ledger that is copied.
    ledger_id uuid NOT NULL,
    -- How many of its events are here.
    events_count bigint NOT NULL
);
