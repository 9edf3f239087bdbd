-- Which ledger it is: drawn once, with the tables, or with this migration for a ledger that is older. A
-- copy of the database is the same ledger. One row.
CREATE TABLE lastro.ledger (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL
);
INSERT INTO lastro.ledger (id) VALUES (gen_random_uuid());
