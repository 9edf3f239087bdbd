-- How much of a pending transfer is still reserved, in minor units, after the newest post that kept the rest
-- reserved; NULL where there was none. What ended the transfer does not change it.
ALTER TABLE lastro.transfers ADD COLUMN left_amount bigint;
-- And `pending_state` has a new number: 4, pending after such a post. A node of before knows no such state and
-- refuses to read the transfer: it would take all of it for reserved.

-- The posts that kept the rest reserved, refused ones too, by the pending transfer that each names.
CREATE TABLE lastro.parts (
    pending_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    -- How much was still reserved after it, in minor units: 0 where it ended the pending transfer. NULL where it
    -- was refused.
    left_amount bigint,
    PRIMARY KEY (pending_id, transfer_id)
);
