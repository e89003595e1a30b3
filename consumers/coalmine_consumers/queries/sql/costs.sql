-- Purpose: what calls cost by one dimension, from rollups.
-- Grain: one row per group, the costliest first.
-- Parameters: $by (prompt, version, model, app or environment); $pieces (list of resolution, since, until: disjoint
--   periods, each read at one resolution); $prompt, $version, $environment, $app, $model (null: any); $limit (groups).
--   And $among, patterns of which the prompt matches one (null: any).
-- Units: cost in nano-USD, all_* are sums over all groups.
WITH calls AS (
    SELECT
        CASE WHEN $by = 'version' THEN prompt ELSE '' END AS of_prompt,
        CASE $by WHEN 'prompt' THEN prompt WHEN 'version' THEN version WHEN 'model' THEN model
            WHEN 'app' THEN app ELSE environment END AS name,
        model, requests, errors, cost_known, cost_nano_usd, cost_mean, cost_m2,
        input_tokens_known, input_tokens, cached_input_tokens, output_tokens_known, output_tokens
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
), centred AS (
    SELECT *, sum(cost_known * cost_mean) OVER same / nullif(sum(cost_known) OVER same, 0) AS centre
    FROM calls
    WINDOW same AS (PARTITION BY of_prompt, name)
)
SELECT
    of_prompt AS prompt,
    name,
    sum(requests)::BIGINT AS requests,
    sum(errors)::BIGINT AS errors,
    sum(cost_known)::BIGINT AS priced_requests,
    list_sort(list_distinct(list(model))) AS models,
    sum(input_tokens) / nullif(sum(input_tokens_known), 0) AS input_tokens_per_request,
    sum(cached_input_tokens) / nullif(sum(input_tokens_known), 0) AS cached_input_tokens_per_request,
    sum(output_tokens) / nullif(sum(output_tokens_known), 0) AS output_tokens_per_request,
    sum(cost_nano_usd) AS cost_nano_usd,
    sum(cost_m2 + cost_known * (cost_mean - centre) ** 2) AS cost_m2,
    count(*) OVER () AS groups,
    sum(sum(requests)) OVER () AS all_requests,
    sum(sum(cost_known)) OVER () AS all_priced_requests,
    sum(sum(cost_nano_usd)) OVER () AS all_cost_nano_usd
FROM centred
GROUP BY of_prompt, name
ORDER BY cost_nano_usd DESC, requests DESC, prompt, name
LIMIT $limit
