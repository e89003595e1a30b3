-- Purpose: calls whose cost is not known, by model.
-- Grain: one row per model with such calls, the most calls first.
-- Parameters: $pieces (list of resolution, since, until: disjoint periods, each read at one resolution);
--   $prompt, $version, $environment, $app, $model (null: any).
--   And $among, patterns of which the prompt matches one (null: any).
--   Rollups do not tell calls with a cost and no tokens from others: both counts together are the calls without a cost.
-- Units: none.
SELECT
    model,
    sum(requests) AS requests,
    sum(errors) AS errors,
    sum(cost_known) AS priced_requests,
    sum(requests) - greatest(sum(input_tokens_known), sum(cost_known)) AS without_usage,
    greatest(sum(input_tokens_known) - sum(cost_known), 0) AS without_price
FROM rollups
JOIN (SELECT unnest($pieces, recursive := true)) AS piece
    ON rollups.resolution = piece.resolution
    AND bucket_start >= piece.since
    AND bucket_start < piece.until
WHERE ($prompt IS NULL OR prompt = $prompt)
  AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
  AND ($version IS NULL OR version = $version)
  AND ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR model = $model)
GROUP BY model
HAVING sum(requests) > sum(cost_known)
ORDER BY requests DESC, model
