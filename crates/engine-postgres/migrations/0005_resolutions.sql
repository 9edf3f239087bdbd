-- What operators decided of payments, each kept for good, in the commit of what it did: distributed
-- by the payment, as the payments are. Before this table who and why were in the nodes' logs alone.
CREATE TABLE lastro.resolutions (
    payment_id uuid NOT NULL,
    resolved_at bigint NOT NULL,
    -- `settled`, `release` or `refuse`.
    kind text NOT NULL,
    -- Of a settled one: the time under which the processor counts it, the same 64 bits.
    requested_at_ms bigint,
    attempt bigint NOT NULL,
    -- Where the payment was on its way to; none where it waited.
    processor text COLLATE "C",
    who text NOT NULL,
    why text NOT NULL,
    PRIMARY KEY (payment_id, resolved_at)
);
