-- The keys of callers, where they are kept here and not in a file (`lastro serve --keys database`): a name and
-- the record as JSON, with the hash of the key's secret. The engine does not look at them.
CREATE TABLE lastro.caller_keys (
    name text COLLATE "C" PRIMARY KEY,
    record text NOT NULL
);
