-- Purpose: what is known of measures of experiments' prompts in the time before a moment.
-- Grain: one row per experiment, measure and histogram bucket.
-- Parameters: $metrics (list of names), of which $late look further back; table populations (experiment, prompt,
--   environment, since, late_since, hour, until): whole hours from since (late_since) to hour, then minutes to until.
-- Units: buckets are logarithmic, see histograms.py; span_ms, from the first request with such a value to until.
WITH entries AS (
    SELECT experiment, metric, until, bucket_start, unnest(buckets) AS bucket, unnest(counts) AS n
    FROM rollup_histograms
    JOIN populations USING (prompt, environment)
    WHERE metric IN (SELECT unnest($metrics))
      AND (
          (
              resolution = 'hour'
              AND bucket_start >= CASE WHEN list_contains($late, metric) THEN late_since ELSE since END
              AND bucket_start < hour
          )
          OR (resolution = 'minute' AND bucket_start >= hour AND bucket_start < until)
      )
)
SELECT
    experiment, metric, bucket,
    sum(n)::BIGINT AS n,
    max(epoch_ms(until) - epoch_ms(bucket_start))::DOUBLE AS span_ms
FROM entries
GROUP BY experiment, metric, bucket
ORDER BY experiment, metric, bucket
