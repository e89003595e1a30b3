-- Purpose: how much raw data there is, without reading it.
-- Grain: one row per event.
-- Parameters: none.
-- Units: rows, files, bytes.
WITH hot AS (
    SELECT 'requests' AS event, count(*) AS rows FROM requests_hot
    UNION ALL
    SELECT 'feedback', count(*) FROM feedback_hot
    UNION ALL
    SELECT 'scores', count(*) FROM scores_hot
),
sealed AS (
    SELECT event, sum(rows) AS rows, count(*) AS files, sum(size_bytes) AS size_bytes
    FROM segments
    WHERE retired_at IS NULL
    GROUP BY event
)
SELECT
    hot.event,
    (hot.rows + coalesce(sealed.rows, 0))::BIGINT AS rows,
    coalesce(sealed.files, 0)::BIGINT AS files,
    coalesce(sealed.size_bytes, 0)::BIGINT AS size_bytes
FROM hot
LEFT JOIN sealed USING (event)
ORDER BY hot.event
