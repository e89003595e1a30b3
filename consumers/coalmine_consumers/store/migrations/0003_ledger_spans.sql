-- Purpose: let an audit say what exactly is missing when fewer rows are found than the ledger counts.
-- Grain: one row per batch and event, as before; of the rows it stored, the span of their event times and
-- the exclusive or of their ids. If one row of a batch is missing, that and the ids still there give its id. Null where none.
ALTER TABLE batches ADD COLUMN first_event_time TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN last_event_time TIMESTAMPTZ;
ALTER TABLE batches ADD COLUMN id_xor UUID;
