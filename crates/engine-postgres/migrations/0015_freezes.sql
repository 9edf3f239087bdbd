-- What an operator has stopped on an account: 0 nothing, 1 new debits, 2 new credits, 3 both. Changes are in
-- account_changes.
ALTER TABLE lastro.accounts ADD COLUMN frozen smallint NOT NULL DEFAULT 0;
