-- Purpose: what applications spent in an hour of the day, on some days.
-- Grain: one row per environment, application and hour with requests.
-- Parameters: $since; $until; $hour_of_day, 0 to 23, UTC.
-- Units: nano-USD, null where no cost is known; times UTC.
SELECT
    environment,
    app,
    bucket_start AS hour,
    CASE WHEN sum(cost_known) > 0 THEN sum(cost_nano_usd)::DOUBLE END AS nano_usd
FROM rollups
WHERE resolution = 'hour' AND bucket_start >= $since AND bucket_start < $until
    AND hour(bucket_start) = $hour_of_day
GROUP BY ALL
HAVING sum(requests) > 0
ORDER BY hour
