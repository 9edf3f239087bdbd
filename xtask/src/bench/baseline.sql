-- The baseline: what a user of PostgreSQL writes to move money safely. One transfer is one call and
-- one database transaction: both accounts locked in one order, the limit checked, the id taken once.
DROP TABLE IF EXISTS accounts, transfers;

CREATE TABLE accounts (
    id bigint PRIMARY KEY,
    balance bigint NOT NULL DEFAULT 0,
    credit_limit bigint NOT NULL
) WITH (fillfactor = 50); -- room for new versions of a row on its own page

CREATE TABLE transfers (
    id uuid PRIMARY KEY,
    debit_account_id bigint NOT NULL,
    credit_account_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    description text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE OR REPLACE FUNCTION transfer(new_id uuid, debit bigint, credit bigint, new_amount bigint)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    available bigint;
BEGIN
    PERFORM FROM accounts WHERE id IN (debit, credit) ORDER BY id FOR UPDATE;
    SELECT balance + credit_limit INTO available FROM accounts WHERE id = debit;
    IF available < new_amount THEN
        RETURN 'insufficient_funds';
    END IF;
    INSERT INTO transfers (id, debit_account_id, credit_account_id, amount, description)
    VALUES (new_id, debit, credit, new_amount, 'bench')
    ON CONFLICT (id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'exists';
    END IF;
    UPDATE accounts SET balance = balance - new_amount WHERE id = debit;
    UPDATE accounts SET balance = balance + new_amount WHERE id = credit;
    RETURN 'created';
END
$$;

-- Account 0 is the hot one. The limits are so high that only what must be refused is.
INSERT INTO accounts (id, credit_limit) SELECT id, 9007199254740991 / 4 FROM generate_series(0, 10000) AS id;
