-- How long a lease lasts each time that it is renewed, in nanoseconds: no request that was sent under
-- it is under way for longer. NULL where the node that began it is older than this column.
ALTER TABLE lastro.leases ADD COLUMN lasts bigint;
