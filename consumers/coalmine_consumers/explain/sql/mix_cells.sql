-- Purpose: sums by everything a change is taken apart by.
-- Grain: one row per side, version, model, mix of segments and unit group.
-- Parameters: the places version, model and mix take expressions, with more parameters as these name them;
--   reads explained_requests.
-- Units: as in experiment cells.
SELECT side, {version} AS version, {model} AS model, {mix} AS mix, unit_group, sum(x) AS x, sum(y) AS y
FROM explained_requests
WHERE x > 0
GROUP BY ALL
ORDER BY ALL
