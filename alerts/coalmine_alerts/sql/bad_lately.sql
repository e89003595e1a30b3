-- Purpose: failed and refused requests of versions, in the last hour and in its last minutes.
-- Grain: one row per environment, prompt and version.
-- Parameters: $recent, where the last hour begins; $lately, where its last minutes begin; $now; $fine, the resolution.
-- Units: requests.
SELECT
    environment,
    prompt,
    version,
    sum(requests)::BIGINT AS requests,
    sum(errors)::BIGINT AS errors,
    sum(refusals)::BIGINT AS refusals,
    coalesce(sum(requests) FILTER (bucket_start >= $lately), 0)::BIGINT AS requests_lately,
    coalesce(sum(errors) FILTER (bucket_start >= $lately), 0)::BIGINT AS errors_lately,
    coalesce(sum(refusals) FILTER (bucket_start >= $lately), 0)::BIGINT AS refusals_lately
FROM rollups
WHERE resolution = $fine AND bucket_start >= $recent AND bucket_start < $now
GROUP BY ALL
HAVING sum(requests) > 0
