-- Everything that was decided, in one order: the feed. A row has some events of one transaction: `records` is a list
-- of `ledger::Event`s, each as postcard bytes, as postcard bytes. What was decided before this migration, or by nodes of an earlier version after it, is not in it.
CREATE TABLE lastro.events (
    -- Drawn when all that the events depend upon is locked: of two events of an account the later one is in the row
    -- with the larger position, or behind the other in the same row. Numbers may be missing: those of transactions
    -- that were rolled back.
    position bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME lastro.events_position CACHE 1) PRIMARY KEY,
    records bytea NOT NULL
);

-- The largest position that was drawn, by whichever transaction; 0 before the first. Sequences have rights of their
-- own, which a role that was granted all tables does not have: this asks as the owner.
CREATE FUNCTION lastro.events_drawn() RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM lastro.events_position
$$;

-- Whether the feed has every event of the ledger: not where the ledger is older than this migration.
ALTER TABLE lastro.ledger ADD COLUMN feed_is_whole boolean NOT NULL DEFAULT false;
UPDATE lastro.ledger SET feed_is_whole = NOT EXISTS (SELECT FROM lastro.accounts)
    AND NOT EXISTS (SELECT FROM lastro.stripes) AND NOT EXISTS (SELECT FROM lastro.transfers)
    AND NOT EXISTS (SELECT FROM lastro.payments) AND NOT EXISTS (SELECT FROM lastro.batches);
