-- Purpose: losses that were found lately.
-- Grain: one row per gap, newest first.
-- Parameters: $since; $now; $limit.
-- Units: offsets; times UTC.
SELECT topic, "partition", expected_offset, available_offset, reason, detected_at
FROM gaps
WHERE detected_at > $since AND detected_at <= $now
ORDER BY detected_at DESC, topic, "partition"
LIMIT $limit
