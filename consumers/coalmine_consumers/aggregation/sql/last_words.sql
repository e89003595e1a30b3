-- Purpose: the last word of each unit on each request: of thumb and rating the last one given, and whether it
--   ever gave a correction. Before some events, where they change it, and after them.
-- Grain: up to two rows per request and unit of which new events came: one to count, and one to take back.
-- Parameters: {said}, a relation of feedback whose request is known: request_id, unit_id, feedback_id, event_time,
--   thumbs, rating, has_correction, and is_new, whether it is to be counted now.
-- Units: said, the new events of the word to count; said_at, when each of them was.
WITH word AS (
    SELECT
        request_id,
        count(*) FILTER (is_new) AS said,
        list(event_time) FILTER (is_new) AS said_at,
        count(*) FILTER (NOT is_new) > 0 AS was_counted,
        arg_max(thumbs, (event_time, feedback_id)) AS thumbs,
        arg_max(rating, (event_time, feedback_id)) AS rating,
        bool_or(has_correction) AS has_correction,
        arg_max(thumbs, (event_time, feedback_id)) FILTER (NOT is_new) AS old_thumbs,
        arg_max(rating, (event_time, feedback_id)) FILTER (NOT is_new) AS old_rating,
        coalesce(bool_or(has_correction) FILTER (NOT is_new), FALSE) AS had_correction
    FROM {said}
    GROUP BY request_id, unit_id
    HAVING count(*) FILTER (is_new) > 0
)
SELECT request_id, said, said_at, FALSE AS takes_back, thumbs, rating, has_correction
FROM word
UNION ALL
SELECT request_id, 0, [], TRUE, old_thumbs, old_rating, had_correction
FROM word
WHERE was_counted
