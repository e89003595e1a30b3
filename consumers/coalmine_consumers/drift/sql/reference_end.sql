-- Purpose: where a version's reference ends: at the end of the day that completes it, having enough whole days
-- with requests and enough requests.
-- Grain: one row; null while it is not complete. It is once a later day has requests, too: until then what is
-- still on its way may be part of it.
-- Parameters: $prompt, $version, $environment; $first_hour and $complete, times; $days and $least, requests; $ignored, days
-- that do not count.
-- Units: times UTC.
WITH days AS (
    SELECT time_bucket(INTERVAL 1 DAY, hour) AS day, sum(sum_y) AS requests
    FROM drift_hours
    WHERE prompt = $prompt AND version = $version AND environment = $environment AND metric = 'requests'
        AND NOT list_contains($ignored::DATE[], hour::DATE)
    GROUP BY ALL
), reached AS (
    SELECT
        day,
        sum(requests) OVER (ORDER BY day) AS requests,
        count(*) FILTER (day >= $first_hour) OVER (ORDER BY day) AS whole_days
    FROM days
)
SELECT min(day) + INTERVAL 1 DAY AS until
FROM reached
WHERE requests >= $least
    AND whole_days >= $days
    AND day + INTERVAL 1 DAY <= least($complete, (SELECT max(day) FROM days))
