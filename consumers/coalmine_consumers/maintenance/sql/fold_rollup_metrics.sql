-- Purpose: fold moments of named values that share a key into one row.
-- Grain: one row per resolution, bucket, series and name.
-- Parameters: {source}, a table with the columns of rollup_metrics.
WITH centred AS (
    SELECT *, sum(n * mean) OVER same / sum(n) OVER same AS centre
    FROM {source}
    WINDOW same AS (
        PARTITION BY resolution, bucket_start, prompt, version, variant, environment, app, model, name
    )
)

SELECT
    resolution, bucket_start, prompt, version, variant, environment, app, model, name,
    sum(n) AS n,
    any_value(centre) AS mean,
    sum(m2 + n * (centred.mean - centre) ** 2) AS m2
FROM centred
GROUP BY resolution, bucket_start, prompt, version, variant, environment, app, model, name
HAVING sum(n) <> 0  -- else all that was added was taken back
