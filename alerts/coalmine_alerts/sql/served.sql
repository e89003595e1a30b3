-- Purpose: versions that had requests in the last days, and how many of the prompt's they have lately.
-- Grain: one row per environment, prompt and version, those with the most requests first.
-- Parameters: $since; $now; $recent, where the last hour begins; $fine, the resolution of its rollups; $limit.
-- Units: requests; share, 0 to 1, of the last two hours in which the prompt had any there; times UTC.
WITH hours AS (
    SELECT environment, prompt, version, bucket_start, first_event_time, last_event_time, requests
    FROM rollups
    WHERE resolution = 'hour' AND bucket_start >= $since AND bucket_start < $now AND requests > 0
), ends AS (
    SELECT environment, prompt, max(bucket_start) AS last_hour FROM hours GROUP BY ALL
), latest AS (
    SELECT environment, prompt, version, sum(requests) AS requests
    FROM hours JOIN ends USING (environment, prompt)
    WHERE bucket_start >= last_hour - INTERVAL 1 HOUR
    GROUP BY ALL
), shares AS (
    SELECT
        environment,
        prompt,
        version,
        requests / sum(requests) OVER (PARTITION BY environment, prompt) AS share
    FROM latest
), minutes AS (
    SELECT environment, prompt, version, sum(requests) AS requests
    FROM rollups
    WHERE resolution = $fine AND bucket_start >= $recent AND bucket_start < $now
    GROUP BY ALL
)
SELECT
    environment,
    prompt,
    version,
    min(first_event_time) AS first_at,
    least(max(last_event_time), $now::TIMESTAMPTZ) AS last_at,
    sum(hours.requests)::BIGINT AS requests,
    coalesce(any_value(minutes.requests), 0)::BIGINT AS lately,
    coalesce(any_value(share), 0.0) AS share
FROM hours
LEFT JOIN shares USING (environment, prompt, version)
LEFT JOIN minutes USING (environment, prompt, version)
GROUP BY ALL
ORDER BY requests DESC, environment, prompt, version
LIMIT $limit
