-- Purpose: how far the store is.
-- Grain: one row.
-- Parameters: none.
-- Units: ingest_id, the newest batch; 0 without any.
SELECT coalesce(max(ingest_id), 0)::BIGINT AS ingest_id FROM batches
