-- Purpose: which versions had requests on some days, of those a query is about.
-- Grain: one row per prompt and version, in no order.
-- Parameters: $since, $until, midnights; $prompt, $version, $environment, $app, $model (null: any); $enough (versions,
--   of which no more are returned; null: all).
--   And $among, patterns of which the prompt matches one (null: any).
-- Units: none.
SELECT DISTINCT prompt, version
FROM rollups
WHERE resolution = 'day'
  AND bucket_start >= $since
  AND bucket_start < $until
  AND ($prompt IS NULL OR prompt = $prompt)
  AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
  AND ($version IS NULL OR version = $version)
  AND ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR model = $model)
LIMIT $enough
