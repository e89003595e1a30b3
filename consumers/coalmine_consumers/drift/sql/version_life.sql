-- Purpose: since when and until when a version has had requests, as far as raw rows tell, and when it was old
-- enough to be watched: at the end of so many whole days with requests, so that one with a wrong clock is none.
-- Grain: one row; nulls where there is none.
-- Parameters: $prompt, $version, $environment; $days, whole days with requests.
-- Units: times UTC.
WITH days AS (
    SELECT time_bucket(INTERVAL 1 DAY, event_time) AS day, min(event_time) AS first, max(event_time) AS last
    FROM requests
    WHERE prompt = $prompt AND version = $version AND environment = $environment
    GROUP BY ALL
), life AS (
    SELECT time_bucket(INTERVAL 1 HOUR, min(first)) AS first_hour, max(last) AS last_event_time FROM days
), whole AS (
    SELECT day, row_number() OVER (ORDER BY day) AS number FROM days, life WHERE day >= first_hour
)
SELECT
    first_hour,
    last_event_time,
    (SELECT least(day, TIMESTAMPTZ '9999-12-30 00:00:00+00') + INTERVAL 1 DAY FROM whole WHERE number = $days) AS old_enough
FROM life
