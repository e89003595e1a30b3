-- Purpose: the mean of one named metric and its number of values over time and the other dimensions.
-- Grain: one row per key, and per bucket of time if $bucket_s.
-- Parameters: as totals.sql; $name.
-- Units: the metric's own.
SELECT
    time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket,
    {keys},
    sum(n * mean) / sum(n) AS mean,
    sum(n)::BIGINT AS n
FROM rollup_metrics
JOIN (SELECT unnest($pieces, recursive := true)) AS piece
    ON rollup_metrics.resolution = piece.resolution
    AND bucket_start >= piece.since
    AND bucket_start < piece.until
SEMI JOIN (SELECT unnest($versions, recursive := true)) AS matching USING (prompt, version)
WHERE name = $name
  AND ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR model = $model)
  AND ($preferred IS NULL OR (variant IS NOT DISTINCT FROM 'preferred') = $preferred)
GROUP BY ALL
HAVING sum(n) <> 0
ORDER BY ALL
