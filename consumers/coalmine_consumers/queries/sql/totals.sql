-- Purpose: add up rollups over time and the other dimensions.
-- Grain: one row per key, and per bucket of time if $bucket_s.
-- Parameters: keys (columns of rollups that tell rows apart); $pieces (list of resolution, since, until: disjoint
--   periods, each read at one resolution); $versions (list of prompt, version: only these); $environment, $app,
--   $model (null: any); $preferred (only calls whose user preferred the version, or none of them; null: both);
--   $bucket_s (seconds of a bucket of time, a multiple of the resolutions read and a divisor of a day; null: time is
--   not told apart).
-- Units: cost in nano-USD, latency in ms, times UTC. list_distinct: a DISTINCT within each group takes half as long again.
SELECT
    time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket,
    {keys},
    sum(requests) AS requests,
    sum(errors) AS errors,
    sum(input_tokens_known) AS input_tokens_known,
    sum(input_tokens) AS input_tokens,
    sum(cached_input_tokens_known) AS cached_input_tokens_known,
    sum(cached_input_tokens) AS cached_input_tokens,
    sum(output_tokens_known) AS output_tokens_known,
    sum(output_tokens) AS output_tokens,
    sum(cost_known) AS cost_known,
    sum(cost_nano_usd) AS cost_nano_usd,
    sum(latency_n * latency_mean) / sum(latency_n) AS latency_ms_mean,
    sum(feedback) AS feedback,
    sum(thumbs_up) AS thumbs_up,
    sum(thumbs_down) AS thumbs_down,
    list_sort(list_distinct(list(environment))) AS environments,
    list_sort(list_distinct(list(model))) AS models,
    coalesce(list_sort(list_distinct(list(variant) FILTER (variant IS NOT NULL))), []) AS variants,
    min(first_event_time) AS first_event_time,
    max(last_event_time) AS last_event_time
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
