-- The endpoints of webhooks, where nodes send the events of the feed. The engine does not look at the states.
CREATE TABLE lastro.webhooks (
    endpoint text COLLATE "C" PRIMARY KEY,
    state bytea,
    -- One that could not be used.
    state_aside bytea,
    -- The node that sends, and until when no other may, in nanoseconds; NULL and 0 where none has to.
    holder uuid,
    holder_name text NOT NULL,
    held_until bigint NOT NULL
);
