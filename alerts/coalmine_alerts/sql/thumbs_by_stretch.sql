-- Purpose: thumbs for prompts in stretches of hours that end now, and at the same hours of the days before.
-- Grain: one row per environment, prompt, length of the stretch in hours, and days ago, that had requests in it.
-- Parameters: $hour, the one that has begun; $since, the first hour; $lengths, in hours, 24 at most.
-- Units: thumbs and requests, in the hour of the request.
SELECT
    environment,
    prompt,
    length,
    hours_ago // 24 AS days_ago,
    sum(thumbs_down)::BIGINT AS down,
    sum(thumbs_up + thumbs_down)::BIGINT AS rated,
    sum(requests)::BIGINT AS requests
FROM (
    SELECT *, date_diff('hour', bucket_start, $hour::TIMESTAMPTZ) AS hours_ago
    FROM rollups
    WHERE resolution = 'hour' AND bucket_start >= $since AND bucket_start <= $hour
) AS counted
JOIN (SELECT unnest($lengths::BIGINT[]) AS length) AS stretches ON hours_ago % 24 < length
GROUP BY ALL
HAVING sum(requests) > 0
ORDER BY days_ago
