-- Purpose: requests on the days before, at the time of day of a stretch that now has none.
-- Grain: one row per day, the day before first.
-- Parameters: $since and $until, the stretch, less than a day long; $days, how many days; $first, before which
--   nothing is known.
-- Units: requests.
SELECT d AS day, coalesce(sum(requests), 0)::BIGINT AS requests
FROM range(1, $days + 1) AS days(d)
LEFT JOIN rollups
    ON resolution = 'minute'
    AND bucket_start >= $since::TIMESTAMPTZ - to_days(d::INTEGER)
    AND bucket_start < $until::TIMESTAMPTZ - to_days(d::INTEGER)
WHERE $since::TIMESTAMPTZ - to_days(d::INTEGER) >= $first::TIMESTAMPTZ
GROUP BY d
ORDER BY d
