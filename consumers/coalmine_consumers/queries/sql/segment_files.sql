-- Purpose: which Parquet files hold raw rows now.
-- Grain: one row per live segment, by path.
-- Parameters: $event (null: any); $after, the path of the last row of the page before; $limit.
-- Units: bytes; times UTC.
SELECT event, day, path, rows, size_bytes, min_event_time, max_event_time, created_at
FROM segments
WHERE retired_at IS NULL AND path > $after AND ($event IS NULL OR event = $event)
ORDER BY path
LIMIT $limit
