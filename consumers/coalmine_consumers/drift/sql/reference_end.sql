-- Purpose: where a version's reference ends: at the end of the first day that completes it.
-- Grain: one row; null while it is not complete. It is once a later day has requests, too: until then what is
-- still on its way may be part of it.
-- Parameters: $prompt, $version, $environment; $not_before and $complete, times; $least, requests.
-- Units: times UTC.
WITH days AS (
    SELECT time_bucket(INTERVAL 1 DAY, hour) + INTERVAL 1 DAY AS until, sum(sum_y) AS requests
    FROM drift_hours
    WHERE prompt = $prompt AND version = $version AND environment = $environment AND metric = 'requests'
    GROUP BY ALL
), reached AS (
    SELECT until, sum(requests) OVER (ORDER BY until) AS requests FROM days
), complete AS (
    -- The requests may have been there before the days were.
    SELECT greatest(
        min(until) FILTER (requests >= $least),
        time_bucket(INTERVAL 1 DAY, $not_before - INTERVAL 1 MICROSECOND) + INTERVAL 1 DAY
    ) AS until
    FROM reached
    HAVING count(*) FILTER (requests >= $least) > 0
)
SELECT max(complete.until) FILTER (complete.until <= least($complete, latest.hour)) AS until
FROM complete, (SELECT max(until) - INTERVAL 1 DAY AS hour FROM days) AS latest
