-- Purpose: histograms of raw calls, with the buckets that rollups have.
-- Grain: one row per key, metric and histogram bucket.
-- Parameters: keys and calls as totals_of_calls.sql; $log_gamma (width of a bucket), $zero_bucket (that of 0).
-- Units: latency in ms; buckets are logarithmic, see aggregation/histograms.py.
WITH entries AS (
    SELECT {keys}, unnest([
        {{'metric': 'latency_ms', 'value': latency_ms}},
        {{'metric': 'time_to_first_token_ms', 'value': time_to_first_token_ms}}
    ], recursive := true)
    FROM ({calls})
)
SELECT
    NULL AS bucket,
    {keys},
    metric,
    CASE WHEN value > 0 THEN ceil(ln(value) / $log_gamma)::INTEGER ELSE $zero_bucket::INTEGER END AS histogram_bucket,
    count(*) AS n
FROM entries
WHERE value IS NOT NULL
GROUP BY ALL
ORDER BY ALL
