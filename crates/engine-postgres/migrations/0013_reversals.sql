-- How much of a transfer was moved back by reversals, in minor units; NULL where nothing was.
ALTER TABLE lastro.transfers ADD COLUMN reversed_amount bigint;

-- The ids of reversals, refused ones too, by the transfer that each names.
CREATE TABLE lastro.reversals (
    reverses uuid NOT NULL,
    transfer_id uuid NOT NULL,
    PRIMARY KEY (reverses, transfer_id)
);
