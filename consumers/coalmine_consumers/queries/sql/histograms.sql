-- Purpose: histograms of rollups, to be added up over time and the other dimensions.
-- Grain: one row per row of the rollups, in no order.
-- Parameters: as totals.sql; $metrics (list of names).
-- Units: buckets are logarithmic, see aggregation/histograms.py.
SELECT
    time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket,
    {keys},
    metric,
    buckets,
    counts
FROM rollup_histograms
JOIN (SELECT unnest($pieces, recursive := true)) AS piece
    ON rollup_histograms.resolution = piece.resolution
    AND bucket_start >= piece.since
    AND bucket_start < piece.until
SEMI JOIN (SELECT unnest($versions, recursive := true)) AS matching USING (prompt, version)
WHERE metric IN (SELECT unnest($metrics))
  AND ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR model = $model)
  AND ($preferred IS NULL OR (variant IS NOT DISTINCT FROM 'preferred') = $preferred)
