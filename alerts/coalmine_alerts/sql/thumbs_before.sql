-- Purpose: thumbs for prompts on the days before, at some hours of the day.
-- Grain: one row per environment, prompt and day that had requests in them.
-- Parameters: $since; $until; $hours, of the day, UTC.
-- Units: thumbs and requests, in the hour of the request.
SELECT
    environment,
    prompt,
    time_bucket(INTERVAL 1 DAY, bucket_start) AS day,
    sum(thumbs_down)::BIGINT AS down,
    sum(thumbs_up + thumbs_down)::BIGINT AS rated,
    sum(requests)::BIGINT AS requests
FROM rollups
WHERE resolution = 'hour' AND bucket_start >= $since AND bucket_start < $until
    AND list_contains($hours, hour(bucket_start))
GROUP BY ALL
HAVING sum(requests) > 0
ORDER BY day
