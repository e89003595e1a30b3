-- Purpose: the traffic of some prompts at an hour of the day, over the days before.
-- Grain: one row per environment and prompt.
-- Parameters: $prompts; $since; $until, both full hours; $hour_of_day, 0 to 23, UTC.
-- Units: requests per hour, averaged over the days with any; errors, a share; latency_ms, a mean.
SELECT
    environment,
    prompt,
    sum(requests) / count(DISTINCT bucket_start) AS requests_per_h,
    sum(errors) / sum(requests) AS error_share,
    sum(latency_n * latency_mean) / nullif(sum(latency_n), 0) AS latency_ms
FROM rollups
WHERE
    resolution = 'hour'
    AND bucket_start >= $since
    AND bucket_start < $until
    AND list_contains($prompts, prompt)
    AND hour(bucket_start) = $hour_of_day
GROUP BY environment, prompt
HAVING sum(requests) > 0
