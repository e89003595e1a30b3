-- Purpose: which rows one page of a time series has.
-- Grain: one row per bucket of time and version that had requests, in the order of the series.
-- Parameters: $resolution, $since, $until; $environment, $app, $model (null: any); $bucket_s, seconds of a bucket;
--   $versions (list of prompt, version, place: the order within a bucket); $after_bucket, $after_place: the
--   last row of the page before (null: the first page); $limit.
-- Units: times UTC.
SELECT DISTINCT time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket, prompt, version, place
FROM rollups
JOIN (SELECT unnest($versions, recursive := true)) AS matching USING (prompt, version)
WHERE resolution = $resolution
  AND bucket_start >= greatest($since, coalesce($after_bucket, $since))
  AND bucket_start < $until
  AND ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR model = $model)
  AND ($after_bucket IS NULL OR (bucket, place) > ($after_bucket, $after_place))
ORDER BY bucket, place
LIMIT $limit
