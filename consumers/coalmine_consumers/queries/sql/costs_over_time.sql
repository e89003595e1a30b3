-- Purpose: what calls cost by one dimension over time, from rollups.
-- Grain: one row per bucket of time and group, the costliest of a bucket first, the others last.
-- Parameters: as costs.sql, without $limit; $bucket_s (as totals.sql); $shown (list of prompt, name: the groups told
--   apart, the others are one; null: all).
-- Units: cost in nano-USD.
WITH calls AS (
    SELECT
        time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket,
        CASE WHEN $by = 'version' THEN prompt ELSE '' END AS prompt,
        CASE $by WHEN 'prompt' THEN prompt WHEN 'version' THEN version WHEN 'model' THEN model
            WHEN 'app' THEN app ELSE environment END AS name,
        sum(requests) AS requests,
        sum(cost_nano_usd) AS cost_nano_usd
    FROM rollups
    JOIN (SELECT unnest($pieces, recursive := true)) AS piece
        ON rollups.resolution = piece.resolution
        AND bucket_start >= piece.since
        AND bucket_start < piece.until
    WHERE ($prompt IS NULL OR rollups.prompt = $prompt)
      AND ($among IS NULL OR list_bool_or([rollups.prompt GLOB each FOR each IN $among::VARCHAR[]]))
      AND ($version IS NULL OR version = $version)
      AND ($environment IS NULL OR environment = $environment)
      AND ($app IS NULL OR app = $app)
      AND ($model IS NULL OR model = $model)
    GROUP BY ALL
), told_apart AS (
    SELECT
        *,
        $shown IS NOT NULL
            AND NOT list_contains($shown::STRUCT("prompt" VARCHAR, "name" VARCHAR)[], {'prompt': prompt, 'name': name}) AS others
    FROM calls
)
SELECT
    bucket,
    others,
    CASE WHEN others THEN '' ELSE prompt END AS prompt,
    CASE WHEN NOT others THEN name END AS name,
    sum(requests)::BIGINT AS requests,
    sum(cost_nano_usd) AS cost_nano_usd
FROM told_apart
GROUP BY ALL
ORDER BY bucket, others, cost_nano_usd DESC, requests DESC, prompt, name
