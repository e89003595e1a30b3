-- Purpose: the models that answered, from rollups: what costs.sql gives by model, names alone.
-- Grain: one row per model, the costliest first.
-- Parameters: as costs.sql, without $by.
-- Units: none.
SELECT model
FROM rollups
JOIN (SELECT unnest($pieces, recursive := true)) AS piece
    ON rollups.resolution = piece.resolution
    AND bucket_start >= piece.since
    AND bucket_start < piece.until
WHERE ($prompt IS NULL OR prompt = $prompt)
  AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
  AND ($version IS NULL OR version = $version)
  AND ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR model = $model)
GROUP BY model
ORDER BY sum(cost_nano_usd) DESC, sum(requests) DESC, model
LIMIT $limit
