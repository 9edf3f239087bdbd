-- Totals of a limited account go up to 2^63 - 1: the sum of its credits and its limit no longer fits a bigint,
-- the balance and the limit do. What is there fulfils it, as it fulfilled the old one: no row is read.
ALTER TABLE lastro.accounts
    DROP CONSTRAINT within_its_limit,
    ADD CONSTRAINT within_its_limit CHECK (
        credits_posted - debits_posted + credit_limit - debits_pending >= 0) NOT VALID;
