-- Purpose: what was spent on each day.
-- Grain: one row per day, environment, prompt and application.
-- Parameters: $since; $today; $now: of today, the hours that have begun count.
-- Units: nano-USD, null where no cost is known; unpriced: requests whose cost is not known; days UTC.
SELECT
    time_bucket(INTERVAL 1 DAY, bucket_start) AS day,
    environment,
    prompt,
    app,
    CASE WHEN sum(cost_known) > 0 THEN sum(cost_nano_usd)::DOUBLE END AS nano_usd,
    (sum(requests) - sum(cost_known))::BIGINT AS unpriced
FROM rollups
WHERE (resolution = 'day' AND bucket_start >= $since AND bucket_start < $today)
    OR (resolution = 'hour' AND bucket_start >= $today AND bucket_start < $now)
GROUP BY ALL
HAVING sum(requests) > 0
ORDER BY day
