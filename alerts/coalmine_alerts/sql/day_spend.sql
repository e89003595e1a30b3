-- Purpose: what was spent on each day.
-- Grain: one row per day, environment, prompt and application.
-- Parameters: $since; $today; $now: of today, the hours that have begun count.
-- Units: nano-USD; days UTC.
SELECT
    time_bucket(INTERVAL 1 DAY, bucket_start) AS day,
    environment,
    prompt,
    app,
    sum(cost_nano_usd)::DOUBLE AS nano_usd
FROM rollups
WHERE (resolution = 'day' AND bucket_start >= $since AND bucket_start < $today)
    OR (resolution = 'hour' AND bucket_start >= $today AND bucket_start < $now)
GROUP BY ALL
HAVING sum(cost_known) > 0
ORDER BY day
