-- Purpose: choose open dead letters to change, oldest first.
-- Grain: one row per dead letter.
-- Parameters: $status, $event, $stage, $source_topic, $since, $until, $ids, each null for any.
SELECT dead_letter_id, octet_length(payload) AS size_bytes
FROM dead_letters
WHERE status = 'open'
  AND ($status IS NULL OR status = $status)
  AND ($event IS NULL OR event = $event)
  AND ($stage IS NULL OR stage = $stage)
  AND ($source_topic IS NULL OR source_topic = $source_topic)
  AND ($since IS NULL OR failed_at >= $since)
  AND ($until IS NULL OR failed_at < $until)
  AND ($ids IS NULL OR dead_letter_id IN (SELECT unnest($ids::UUID[])))
ORDER BY dead_letter_id
