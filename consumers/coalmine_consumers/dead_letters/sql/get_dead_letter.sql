-- Purpose: one dead letter with its bytes.
-- Grain: one row, or none.
-- Parameters: $id (UUID).
SELECT
    dead_letter_id, failed_at, source_topic, source_partition, source_offset, source_timestamp,
    event, stage, reason, schema_ref, status, attempts, attempted_at, published_at,
    octet_length(payload) AS size_bytes,
    payload,
    "key"
FROM dead_letters
WHERE dead_letter_id = $id
