-- Purpose: sums by what every request has: version, model and application.
-- Grain: one row per side, version, model, app and unit group.
-- Parameters: none; reads explained_requests.
-- Units: as in experiment cells.
SELECT side, version, model, app, unit_group, count(*) AS requests, sum(x) AS x, sum(y) AS y
FROM explained_requests
WHERE x > 0
GROUP BY ALL
ORDER BY ALL
