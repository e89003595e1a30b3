-- Purpose: add up histograms over time and over the dimensions that were not asked for.
-- Grain: one row per metric, prompt, version, histogram bucket, and per bucket of time if $bucket_s.
-- Parameters: as totals.sql; $metrics (list of names).
-- Units: buckets are logarithmic, see store/histograms.py.
WITH entries AS (
    SELECT
        time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket,
        prompt,
        version,
        metric,
        unnest(buckets) AS histogram_bucket,
        unnest(counts) AS n
    FROM rollup_histograms
    JOIN (SELECT unnest($pieces, recursive := true)) AS piece
        ON rollup_histograms.resolution = piece.resolution
        AND bucket_start >= piece.since
        AND bucket_start < piece.until
    WHERE metric IN (SELECT unnest($metrics))
      AND ($prompt IS NULL OR prompt = $prompt)
      AND ($version IS NULL OR version = $version)
      AND ($environment IS NULL OR environment = $environment)
      AND ($app IS NULL OR app = $app)
)
SELECT bucket, prompt, version, metric, histogram_bucket, sum(n)::BIGINT AS n
FROM entries
GROUP BY ALL
ORDER BY bucket, prompt, version, metric, histogram_bucket
