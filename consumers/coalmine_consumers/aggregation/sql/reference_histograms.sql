-- Purpose: what is known of heavy-tailed measures of some prompts in the week before a moment.
-- Grain: one row per measure and histogram bucket.
-- Parameters: $prompts and $environments (lists of equal length: pairs), $metrics (list of names),
--   $since, $hour and $until: whole hours from $since to $hour, then minutes to $until.
-- Units: buckets are logarithmic, see histograms.py.
WITH entries AS (
    SELECT metric, unnest(buckets) AS bucket, unnest(counts) AS n
    FROM rollup_histograms
    WHERE metric IN (SELECT unnest($metrics))
      AND (prompt, environment) IN (SELECT (unnest($prompts), unnest($environments)))
      AND (
          (resolution = 'hour' AND bucket_start >= $since AND bucket_start < $hour)
          OR (resolution = 'minute' AND bucket_start >= $hour AND bucket_start < $until)
      )
)
SELECT metric, bucket, sum(n)::BIGINT AS n
FROM entries
GROUP BY metric, bucket
ORDER BY metric, bucket
