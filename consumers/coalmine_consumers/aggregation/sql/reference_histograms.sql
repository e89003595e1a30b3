-- Purpose: what is known of heavy-tailed measures of experiments' prompts in the week before a moment.
-- Grain: one row per experiment, measure and histogram bucket.
-- Parameters: $metrics (list of names); table populations (experiment, prompt, environment, since, hour, until):
--   whole hours from since to hour, then minutes to until.
-- Units: buckets are logarithmic, see histograms.py.
WITH entries AS (
    SELECT experiment, metric, unnest(buckets) AS bucket, unnest(counts) AS n
    FROM rollup_histograms
    JOIN populations USING (prompt, environment)
    WHERE metric IN (SELECT unnest($metrics))
      AND (
          (resolution = 'hour' AND bucket_start >= since AND bucket_start < hour)
          OR (resolution = 'minute' AND bucket_start >= hour AND bucket_start < until)
      )
)
SELECT experiment, metric, bucket, sum(n)::BIGINT AS n
FROM entries
GROUP BY experiment, metric, bucket
ORDER BY experiment, metric, bucket
