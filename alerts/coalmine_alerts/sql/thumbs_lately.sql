-- Purpose: thumbs for prompts in the last hour.
-- Grain: one row per environment and prompt that had requests in it.
-- Parameters: $recent, where the last hour begins; $now; $fine, the resolution of its rollups.
-- Units: thumbs and requests, in the hour of the request.
SELECT
    environment,
    prompt,
    sum(thumbs_down)::BIGINT AS down,
    sum(thumbs_up + thumbs_down)::BIGINT AS rated,
    sum(requests)::BIGINT AS requests
FROM rollups
WHERE resolution = $fine AND bucket_start >= $recent AND bucket_start < $now
GROUP BY environment, prompt
HAVING sum(requests) > 0
