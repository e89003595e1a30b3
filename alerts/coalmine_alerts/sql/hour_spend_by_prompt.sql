-- Purpose: what an application spent most on in an hour.
-- Grain: one row per prompt.
-- Parameters: $environment; $app; $hour; $limit.
-- Units: nano-USD.
SELECT prompt, sum(cost_nano_usd)::DOUBLE AS nano_usd
FROM rollups
WHERE resolution = 'hour' AND bucket_start = $hour AND environment = $environment AND app = $app
GROUP BY prompt
HAVING sum(cost_nano_usd) > 0
ORDER BY nano_usd DESC, prompt
LIMIT $limit
