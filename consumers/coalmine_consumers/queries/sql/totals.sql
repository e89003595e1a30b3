-- Purpose: add up rollups over time and the other dimensions.
-- Grain: one row per key, and per bucket of time if $bucket_s.
-- Parameters: keys (columns of rollups that tell rows apart); seen (further aggregates, each after a comma: `SEEN`
--   of measures.py, or none); $pieces (list of resolution, since, until: disjoint periods, each read at one
--   resolution); $versions (list of prompt, version: only these); $environment, $app, $model (null: any); $preferred
--   (only calls whose user preferred the version, or none of them; null: both); $bucket_s (seconds of a bucket of
--   time, a multiple of the resolutions read and a divisor of a day; null: time is not told apart).
-- Units: cost in nano-USD, latency in ms, times UTC.
SELECT
    time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket,
    {keys},
    sum(requests)::BIGINT AS requests,
    sum(errors)::BIGINT AS errors,
    sum(input_tokens_known)::BIGINT AS input_tokens_known,
    sum(input_tokens) AS input_tokens,
    sum(cached_input_tokens_known)::BIGINT AS cached_input_tokens_known,
    sum(cached_input_tokens) AS cached_input_tokens,
    sum(output_tokens_known)::BIGINT AS output_tokens_known,
    sum(output_tokens) AS output_tokens,
    sum(cost_known)::BIGINT AS cost_known,
    sum(cost_nano_usd) AS cost_nano_usd,
    sum(latency_n * latency_mean) / sum(latency_n) AS latency_ms_mean,
    sum(feedback)::BIGINT AS feedback,
    sum(thumbs_up)::BIGINT AS thumbs_up,
    sum(thumbs_down)::BIGINT AS thumbs_down
    {seen}
FROM rollups
JOIN (SELECT unnest($pieces, recursive := true)) AS piece
    ON rollups.resolution = piece.resolution
    AND bucket_start >= piece.since
    AND bucket_start < piece.until
SEMI JOIN (SELECT unnest($versions, recursive := true)) AS matching USING (prompt, version)
WHERE ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR model = $model)
  AND ($preferred IS NULL OR (variant IS NOT DISTINCT FROM 'preferred') = $preferred)
GROUP BY ALL
ORDER BY ALL
