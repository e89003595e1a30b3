-- Purpose: what served a prompt, so that the one that serves most now can be told.
-- Grain: one row per environment and version.
-- Parameters: $prompt.
-- Units: requests in all, and in the last days of that environment that had any; times UTC.
WITH days AS (
    SELECT environment, version, bucket_start, sum(requests) AS requests, max(last_event_time) AS last_event_time
    FROM rollups
    WHERE resolution = 'day' AND prompt = $prompt
    GROUP BY ALL
), latest AS (
    SELECT environment, max(bucket_start) AS last_day FROM days GROUP BY environment
)
SELECT
    environment,
    version,
    sum(requests)::BIGINT AS requests,
    coalesce(sum(requests) FILTER (bucket_start >= last_day - INTERVAL 1 DAY), 0)::BIGINT AS lately,
    max(last_event_time) AS last_event_time
FROM days JOIN latest USING (environment)
GROUP BY ALL
HAVING sum(requests) > 0
ORDER BY environment, lately DESC, requests DESC, version
