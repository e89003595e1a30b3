-- Purpose: find the segments whose ids may include some of a set of ids.
-- Grain: one row per live segment of the event.
-- Parameters: $event; $min_id and $max_id (UUID), the bounds of the set.
-- Units: none.
SELECT path, min_id, max_id
FROM segments
WHERE retired_at IS NULL
  AND event = $event
  AND min_id <= $max_id
  AND max_id >= $min_id
ORDER BY min_id
