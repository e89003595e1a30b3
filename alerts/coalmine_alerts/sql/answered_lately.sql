-- Purpose: models that answered in the last hour.
-- Grain: one row per environment, prompt, version and model, those with the most requests first.
-- Parameters: $since; $now; $recent, where the last hour begins; $fine, the resolution of its rollups; $limit.
-- Units: requests; time UTC of the first answer in the last days.
WITH lately AS (
    SELECT environment, prompt, version, model, sum(requests) AS requests
    FROM rollups
    WHERE resolution = $fine AND bucket_start >= $recent AND bucket_start < $now
    GROUP BY ALL
    HAVING sum(requests) > 0
)
SELECT
    environment,
    prompt,
    version,
    model,
    any_value(lately.requests)::BIGINT AS requests,
    min(first_event_time) AS first_at
FROM lately JOIN rollups USING (environment, prompt, version, model)
WHERE resolution = 'hour' AND bucket_start >= $since AND bucket_start < $now AND first_event_time IS NOT NULL
GROUP BY ALL
ORDER BY requests DESC, environment, prompt, version, model
LIMIT $limit
