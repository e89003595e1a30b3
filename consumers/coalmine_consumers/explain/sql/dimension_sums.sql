-- Purpose: sums by what every request has: version, model, application and period.
-- Grain: one row per side, version, model, app, period and unit group.
-- Parameters: none; reads explained_requests.
-- Units: as in experiment cells.
SELECT side, version, model, app, time, unit_group, count(*) AS requests, sum(x) AS x, sum(y) AS y
FROM explained_requests
WHERE x > 0
GROUP BY ALL
ORDER BY ALL
