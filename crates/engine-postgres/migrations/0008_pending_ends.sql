-- Which transfer ended a pending one: looked up by bytes 19 to 34 of its record, the pending transfer's
-- id, after the event (0: a transfer), the transfer's own id and its kind (2: a post, 3: a void). So it
-- is found for what was ended before this index too.
--
-- To make it holds up writers: docs/guide/postgresql.md has how to make it beforehand, without that. One
-- that could not be made to its end is made anew here.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_index
        WHERE indexrelid = to_regclass('lastro.transfers_by_pending') AND NOT indisvalid
    ) THEN
        DROP INDEX lastro.transfers_by_pending;
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS transfers_by_pending
    ON lastro.transfers (substring(record FROM 19 FOR 16))
WHERE substring(record FROM 1 FOR 1) = '\x00'::bytea
    AND substring(record FROM 18 FOR 1) IN ('\x02'::bytea, '\x03'::bytea);

-- When a pending transfer expired: an expiry has no row of its own. NULL for whatever has not expired,
-- and for what expired before this column.
ALTER TABLE lastro.transfers ADD COLUMN expired_at bigint;
