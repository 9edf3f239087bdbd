-- What is in the lists of transfers and of payments, with its place in them. A list is what `ledger::ListName` says, such
-- as 'transfers of world:BRL' or 'payments with order 1017'. The transfers that made an entry in a limited account's
-- statement are not in that account's list: the entries lead to them.
--
-- What was decided before this migration is put into it afterwards, some thousand rows at a time, while nodes of the version
-- before go on. Only then is this migration noted as done: where it was ended before, it begins again.
CREATE TABLE IF NOT EXISTS lastro.listed (
    list text COLLATE "C" NOT NULL,
    -- When the transfer was decided, or the payment accepted.
    listed_at bigint NOT NULL,
    -- The transfer's id, or the payment's.
    id uuid NOT NULL,
    PRIMARY KEY (list, listed_at, id)
);
