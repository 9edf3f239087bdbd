-- Counts and sums of the settled payments that summaries count, by the second, minute, hour and day
-- in which they were requested: a summary adds whole buckets, and looks at single payments only in
-- the two seconds at its ends. Every bucket has up to 16 rows, so that calls seldom meet.
CREATE TABLE lastro.payment_sums (
    -- 0: seconds, 1: minutes, 2: hours, 3: days.
    level smallint NOT NULL,
    -- The time divided by that width.
    bucket bigint NOT NULL,
    processor text COLLATE "C" NOT NULL,
    stripe smallint NOT NULL,
    payments_count bigint NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (level, bucket, processor, stripe)
) WITH (fillfactor = 50);

INSERT INTO lastro.payment_sums (level, bucket, processor, stripe, payments_count, amount)
SELECT level, requested_at_ms / width_ms, processor, 0, count(*), sum(amount)
FROM lastro.payments,
    (VALUES (0, 1000), (1, 60000), (2, 3600000), (3, 86400000)) AS widths (level, width_ms)
WHERE state = 2 AND accepted_at > coalesce((SELECT max(purged_at) FROM lastro.purges), -1)
GROUP BY level, requested_at_ms / width_ms, processor;
