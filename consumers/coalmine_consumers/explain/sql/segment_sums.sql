-- Purpose: sums by value of some segments.
-- Grain: one row per key, value, side and unit group.
-- Parameters: $wanted, keys and values joined by the character 31; reads explained_requests.
-- Units: as in experiment cells.
SELECT entry.key AS key, entry.value AS value, side, unit_group, count(*) AS requests, sum(x) AS x, sum(y) AS y
FROM (SELECT unnest(segments) AS entry, side, unit_group, x, y FROM explained_requests WHERE x > 0)
WHERE list_contains($wanted::VARCHAR[], entry.key || chr(31) || entry.value)
GROUP BY ALL
ORDER BY ALL
