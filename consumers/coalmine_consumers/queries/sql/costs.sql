-- Purpose: what calls cost by one dimension, from rollups.
-- Grain: one row per group, the costliest first, and per bucket of time if $bucket_s.
-- Parameters: $by (prompt, version, model, app or environment); $pieces (list of resolution, since, until: disjoint
--   periods, each read at one resolution); $prompt, $version, $environment, $app, $model (null: any); $bucket_s (as
--   totals.sql); $shown (list of prompt, name: the groups told apart, the others are one; null: all); $limit
--   (groups per bucket).
--   And $among, patterns of which the prompt matches one (null: any).
-- Units: cost in nano-USD, all_* are sums over all groups of the bucket.
WITH calls AS (
    SELECT
        time_bucket(to_seconds($bucket_s::DOUBLE), bucket_start) AS bucket,
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
), told_apart AS (
    SELECT * REPLACE (
        CASE WHEN NOT others THEN name END AS name, CASE WHEN others THEN '' ELSE of_prompt END AS of_prompt
    )
    FROM (
        SELECT *, $shown IS NOT NULL
            AND NOT list_contains($shown::STRUCT("prompt" VARCHAR, "name" VARCHAR)[], {'prompt': of_prompt, 'name': name}) AS others
        FROM calls
    )
), centred AS (
    SELECT *, sum(cost_known * cost_mean) OVER same / nullif(sum(cost_known) OVER same, 0) AS centre
    FROM told_apart
    WINDOW same AS (PARTITION BY bucket, others, of_prompt, name)
)
SELECT
    bucket,
    others,
    of_prompt AS prompt,
    name,
    sum(requests)::BIGINT AS requests,
    sum(errors)::BIGINT AS errors,
    sum(cost_known)::BIGINT AS priced_requests,
    list_sort(list(DISTINCT model)) AS models,
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
GROUP BY bucket, others, of_prompt, name
QUALIFY row_number() OVER (
    PARTITION BY bucket ORDER BY sum(cost_nano_usd) DESC, sum(requests) DESC, of_prompt, name
) <= $limit
ORDER BY bucket, others, sum(cost_nano_usd) DESC, sum(requests) DESC, of_prompt, name
