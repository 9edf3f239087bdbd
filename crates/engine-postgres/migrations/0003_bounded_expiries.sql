-- What is due on an account is found without looking at what is not.
CREATE INDEX pendings_due ON lastro.pendings (account_id, expires_at, transfer_id)
WHERE expires_at IS NOT NULL;

-- As before, but of what is due at most the oldest thousand: so many are expired by one call.
CREATE OR REPLACE FUNCTION lastro.accounts_of(
    named text[], pending uuid[], paid uuid[], purge boolean, now_ns bigint
) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT unnest(named)
    UNION
    SELECT account_id FROM lastro.pendings WHERE transfer_id = ANY (pending)
    UNION
    SELECT account_id FROM lastro.payments
    WHERE payment_id = ANY (paid) AND account_id IS NOT NULL
    UNION
    SELECT account_id FROM lastro.payments
    WHERE purge AND state = 0 AND account_id IS NOT NULL
    UNION
    SELECT other.account_id FROM (
        SELECT due.expires_at, due.transfer_id FROM unnest(named) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT expires_at, transfer_id FROM lastro.pendings
            WHERE account_id = wanted.id AND expires_at <= now_ns
            ORDER BY expires_at, transfer_id LIMIT 1000
        ) AS due
        ORDER BY due.expires_at, due.transfer_id LIMIT 1000
    ) AS due
    JOIN lastro.pendings other ON other.transfer_id = due.transfer_id
$$;
