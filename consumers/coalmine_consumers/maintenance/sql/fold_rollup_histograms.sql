-- Purpose: fold histograms that share a key into one.
-- Grain: one row per resolution, bucket, series and metric.
-- Parameters: {source}, a table with the columns of rollup_histograms.
WITH entries AS (
    SELECT
        resolution, bucket_start, prompt, version, variant, environment, app, model, metric,
        unnest(buckets) AS bucket,
        unnest(counts) AS entry_count
    FROM {source}
),

added AS (
    SELECT * EXCLUDE (entry_count), CAST(sum(entry_count) AS BIGINT) AS entry_count
    FROM entries
    GROUP BY ALL
)

SELECT
    resolution, bucket_start, prompt, version, variant, environment, app, model, metric,
    list(bucket ORDER BY bucket) AS buckets,
    list(entry_count ORDER BY bucket) AS counts
FROM added
GROUP BY resolution, bucket_start, prompt, version, variant, environment, app, model, metric
