-- Purpose: days on which rollups do not count as many requests as there are raw rows.
-- Grain: one row per UTC day.
-- Parameters: {requests}, a relation of the raw requests there are; $horizon, from when on they are complete.
-- Units: requests.
WITH counted AS (
    SELECT bucket_start, sum(requests)::BIGINT AS requests
    FROM rollups
    WHERE resolution = 'day' AND bucket_start >= $horizon
    GROUP BY bucket_start
),

there AS (
    SELECT date_trunc('day', event_time) AS bucket_start, count(*) AS requests
    FROM {requests}
    WHERE event_time >= $horizon
    GROUP BY ALL
)

SELECT
    bucket_start,
    coalesce(counted.requests, 0) AS in_rollups,
    coalesce(there.requests, 0) AS in_rows
FROM counted
FULL JOIN there USING (bucket_start)
WHERE coalesce(counted.requests, 0) <> coalesce(there.requests, 0)
ORDER BY bucket_start
