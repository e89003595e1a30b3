-- Purpose: days on which a finer resolution of the rollups does not add up to the day.
-- Grain: one row per finer resolution and UTC day.
-- Parameters: $minute and $hour, from when on each is complete.
-- Units: requests, feedback, nano-USD.
WITH sums AS (
    SELECT
        resolution,
        date_trunc('day', bucket_start) AS day_start,
        sum(requests) AS requests,
        sum(feedback) AS feedback,
        sum(cost_nano_usd) AS cost_nano_usd
    FROM rollups
    WHERE resolution = 'day'
       OR (resolution = 'hour' AND bucket_start >= $hour)
       OR (resolution = 'minute' AND bucket_start >= $minute)
    GROUP BY ALL
),

days AS (
    SELECT finer.resolution, finer.kept_from, day.*
    FROM sums AS day
    CROSS JOIN (VALUES ('minute', $minute::TIMESTAMPTZ), ('hour', $hour::TIMESTAMPTZ))
        AS finer (resolution, kept_from)
    WHERE day.resolution = 'day' AND day.day_start >= finer.kept_from
),

finer AS (SELECT * FROM sums WHERE resolution <> 'day')

SELECT
    coalesce(days.resolution, finer.resolution) AS resolution,
    coalesce(days.day_start, finer.day_start) AS day_start,
    coalesce(days.requests, 0)::HUGEINT AS requests_of_day,
    coalesce(finer.requests, 0)::HUGEINT AS requests_of_finer
FROM days
FULL JOIN finer ON finer.resolution = days.resolution AND finer.day_start = days.day_start
WHERE days.requests IS DISTINCT FROM finer.requests
   OR days.feedback IS DISTINCT FROM finer.feedback
   OR days.cost_nano_usd IS DISTINCT FROM finer.cost_nano_usd
ORDER BY day_start, resolution
