-- Purpose: losses, newest first.
-- Grain: one row per gap.
-- Parameters: $limit.
-- Units: offsets are next to read; times UTC.
SELECT topic, "partition", expected_offset, available_offset, reason, detected_at
FROM gaps
ORDER BY detected_at DESC, topic, "partition", expected_offset
LIMIT $limit
