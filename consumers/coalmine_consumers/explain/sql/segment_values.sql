-- Purpose: how often each value of some segments occurs on each side.
-- Grain: one row per segment key and value.
-- Parameters: $keys; reads explained_requests.
-- Units: requests; x_a and x_b are denominators of the metric, by side.
SELECT
    entry.key AS key,
    entry.value AS value,
    count(*) AS requests,
    coalesce(sum(x) FILTER (side = 0), 0) AS x_a,
    coalesce(sum(x) FILTER (side = 1), 0) AS x_b
FROM (SELECT unnest(segments) AS entry, side, x FROM explained_requests WHERE x > 0)
WHERE list_contains($keys::VARCHAR[], entry.key)
GROUP BY ALL
ORDER BY key, requests DESC, value
