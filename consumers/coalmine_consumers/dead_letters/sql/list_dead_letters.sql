-- Purpose: list dead letters, newest first. Their ids are UUIDv7, so the order of ids is that of time.
-- Grain: one row per dead letter.
-- Parameters: $status, $event, $stage, $source_topic, $since, $until, $ids, each null for any; $before, an id
--   that all are older than, or null; $limit.
SELECT
    dead_letter_id, failed_at, source_topic, source_partition, source_offset, source_timestamp,
    event, stage, reason, schema_ref, status, attempts, attempted_at, published_at,
    octet_length(payload) AS size_bytes
FROM dead_letters
WHERE ($status IS NULL OR status = $status)
  AND ($event IS NULL OR event = $event)
  AND ($stage IS NULL OR stage = $stage)
  AND ($source_topic IS NULL OR source_topic = $source_topic)
  AND ($since IS NULL OR failed_at >= $since)
  AND ($until IS NULL OR failed_at < $until)
  AND ($ids IS NULL OR dead_letter_id IN (SELECT unnest($ids::UUID[])))
  AND ($before IS NULL OR dead_letter_id < $before)
ORDER BY dead_letter_id DESC
LIMIT $limit
