-- Purpose: how many requests versions have on some days.
-- Grain: one row.
-- Parameters: $since and $until, the days; the table `keys`: prompt, version, environment.
-- Units: requests.
SELECT coalesce(sum(requests), 0)::BIGINT AS requests
FROM rollups JOIN keys USING (prompt, version, environment)
WHERE resolution = 'day' AND bucket_start >= $since AND bucket_start < $until
