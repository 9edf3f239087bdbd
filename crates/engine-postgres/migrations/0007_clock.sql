-- The newest time of the database's clock that a node has believed, to within ten seconds, and when a
-- node last did not believe it: what a start compares the clock with. One row. Times are nanoseconds
-- since 1970 UTC.
CREATE TABLE lastro.clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    believed_at bigint NOT NULL,
    doubted_at bigint
) WITH (fillfactor = 50);
INSERT INTO lastro.clock (believed_at)
SELECT greatest(
    coalesce((SELECT max(newest_at) FROM lastro.accounts), 0),
    coalesce((SELECT max(accepted_at) FROM lastro.payments), 0));
