-- Purpose: which versions had requests, of those a query is about.
-- Grain: one row per prompt and version.
-- Parameters: $pieces (list of resolution, since, until: disjoint periods, each read at one resolution);
--   $prompt, $version, $environment, $app, $model (null: any); $from_prompt (only this prompt and later ones, by
--   name; null: all).
-- Units: none.
SELECT DISTINCT prompt, version
FROM rollups
JOIN (SELECT unnest($pieces, recursive := true)) AS piece
    ON rollups.resolution = piece.resolution
    AND bucket_start >= piece.since
    AND bucket_start < piece.until
WHERE ($prompt IS NULL OR prompt = $prompt)
  AND ($version IS NULL OR version = $version)
  AND ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR model = $model)
  AND ($from_prompt IS NULL OR prompt >= $from_prompt)
