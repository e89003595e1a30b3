-- Purpose: names of scores that still come, of whatever prompt.
-- Grain: one row per name.
-- Parameters: $recent, where "lately" begins.
-- Units: none.
SELECT DISTINCT name
FROM scores
WHERE event_time >= $recent
