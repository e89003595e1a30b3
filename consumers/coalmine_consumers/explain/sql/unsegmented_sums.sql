-- Purpose: sums of the requests that do not have a segment.
-- Grain: one row per side and unit group.
-- Parameters: $key; reads explained_requests.
-- Units: as in experiment cells.
SELECT side, unit_group, count(*) AS requests, sum(x) AS x, sum(y) AS y
FROM explained_requests
WHERE x > 0 AND NOT list_contains(coalesce(list_transform(segments, lambda entry: entry.key), []), $key)
GROUP BY ALL
ORDER BY ALL
