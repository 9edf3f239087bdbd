-- The reference and the metadata of the transfer that made the entry, for statements and for people who query
-- them here: metadata is a JSON object of texts, so `metadata::jsonb ->> 'order'` is one of them. NULL where
-- the transfer has none, and in entries from before this migration, whose transfers may have the reference
-- (then always a UUID) in `record` alone.
ALTER TABLE lastro.entries ADD COLUMN reference text, ADD COLUMN metadata text;
