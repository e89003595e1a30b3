-- Purpose: how many mixes of traffic there are, and how many there are in effect (the inverse of the chance
--   that two requests are of the same one).
-- Grain: one row.
-- Parameters: $below, requests with a smaller bucket are counted; the places version and mix take expressions,
--   with more parameters as these name them; reads explained_requests.
-- Units: cells are mixes divided by version and model.
WITH cells AS (
    SELECT {mix} AS mix, {version} AS version, model, sum(x) AS x
    FROM explained_requests
    WHERE x > 0 AND bucket < $below
    GROUP BY ALL
), mixes AS (
    SELECT mix, sum(x) AS x FROM cells GROUP BY mix
)
SELECT
    (SELECT count(*) FROM mixes) AS different,
    (SELECT sum(x) * sum(x) / sum(x * x) FROM mixes) AS effective,
    sum(x) * sum(x) / sum(x * x) AS cells
FROM cells
