-- Purpose: add up histograms by any keys, over time and the other dimensions.
-- Grain: one row per key, metric, histogram bucket, and per bucket of time if $bucket_s.
-- Parameters: as totals.sql; $metrics (list of names).
-- Units: buckets are logarithmic, see aggregation/histograms.py.
WITH entries AS (
    SELECT
        time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket,
        {keys},
        metric,
        unnest(buckets) AS histogram_bucket,
        unnest(counts) AS n
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
)
SELECT * EXCLUDE (n), sum(n)::BIGINT AS n
FROM entries
GROUP BY ALL
ORDER BY ALL
