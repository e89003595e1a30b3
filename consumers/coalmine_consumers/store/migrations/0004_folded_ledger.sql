-- Purpose: let old rows of the ledger be folded, of which a busy collector writes a million a day.
-- Grain: one row per event and batch, or, once folded, per event and run of consecutive batches: those from
-- first_ingest_id to ingest_id. Null stands for one batch. A folded row adds up what its batches say.
ALTER TABLE batches ADD COLUMN first_ingest_id BIGINT;
