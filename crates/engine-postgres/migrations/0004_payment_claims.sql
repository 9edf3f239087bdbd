-- Who dispatches which payment, where several nodes do. A node holds one lease and claims payments
-- under it; what a lease that is over has claimed is free again. Times are nanoseconds since 1970
-- UTC, by the clock of the database.
CREATE TABLE lastro.leases (
    lease_id uuid PRIMARY KEY,
    leased_until bigint NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX leases_by_end ON lastro.leases (leased_until);

-- The lease that it is claimed under. It means something while the payment is due.
ALTER TABLE lastro.payments ADD COLUMN claimed_by uuid;
CREATE INDEX payments_claimed ON lastro.payments (claimed_by, accepted_at, payment_id)
    WHERE state IN (0, 1);

-- What processors say of their health. One node asks at a time, and all learn of it here.
CREATE TABLE lastro.processor_health (
    processor text COLLATE "C" PRIMARY KEY,
    -- When somebody last took the turn to ask.
    asked_at bigint NOT NULL,
    -- The newest answer, and when it was asked for.
    reported_at bigint,
    failing boolean,
    delay_min_ms bigint
) WITH (fillfactor = 50);
