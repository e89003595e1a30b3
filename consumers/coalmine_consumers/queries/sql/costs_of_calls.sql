-- Purpose: what calls cost by what only raw rows tell: a segment, or the user.
-- Grain: one row per group, the costliest first, and per bucket of time if $bucket_s.
-- Parameters: $by (segment or user); $segment (its key); $since, $until (null: open); $prompt, $version, $environment,
--   $app, $model, $bucket_s, $shown, $limit as in costs.sql.
--   And $among, patterns of which the prompt matches one (null: any).
-- Units: cost in nano-USD, all_* are sums over all groups of the bucket.
WITH calls AS (
    SELECT
        time_bucket(to_seconds($bucket_s::DOUBLE), event_time) AS bucket,
        '' AS of_prompt,
        CASE WHEN $by = 'user' THEN unit_id
            ELSE list_filter(segments, lambda entry: entry.key = $segment)[1].value END AS name,
        error_type IS NOT NULL AS failed, cost_nano_usd,
        input_tokens, cached_input_tokens, output_tokens
    FROM requests
    WHERE ($since IS NULL OR event_time >= $since)
      AND ($until IS NULL OR event_time < $until)
      AND ($prompt IS NULL OR prompt = $prompt)
      AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
      AND ($version IS NULL OR version = $version)
      AND ($environment IS NULL OR environment = $environment)
      AND ($app IS NULL OR app = $app)
      AND ($model IS NULL OR coalesce(response_model, request_model) = $model)
), told_apart AS (
    SELECT * REPLACE (CASE WHEN others THEN NULL ELSE name END AS name)
    FROM (
        SELECT *, $shown IS NOT NULL
            AND NOT list_contains($shown::STRUCT("prompt" VARCHAR, "name" VARCHAR)[], {'prompt': of_prompt, 'name': name}) AS others
        FROM calls
    )
)
SELECT
    bucket,
    others,
    of_prompt AS prompt,
    name,
    count(*) AS requests,
    count(*) FILTER (failed) AS errors,
    count(cost_nano_usd) AS priced_requests,
    []::VARCHAR[] AS models,
    avg(input_tokens) AS input_tokens_per_request,
    sum(cached_input_tokens) / nullif(count(input_tokens), 0) AS cached_input_tokens_per_request,
    avg(output_tokens) AS output_tokens_per_request,
    coalesce(sum(cost_nano_usd), 0) AS cost_nano_usd,
    var_pop(cost_nano_usd) * count(cost_nano_usd) AS cost_m2,
    count(*) OVER () AS groups,
    sum(count(*)) OVER () AS all_requests,
    sum(count(cost_nano_usd)) OVER () AS all_priced_requests,
    sum(coalesce(sum(cost_nano_usd), 0)) OVER () AS all_cost_nano_usd
FROM told_apart
GROUP BY bucket, others, of_prompt, name
QUALIFY row_number() OVER (
    PARTITION BY bucket ORDER BY coalesce(sum(cost_nano_usd), 0) DESC, count(*) DESC, name
) <= $limit
ORDER BY bucket, others, coalesce(sum(cost_nano_usd), 0) DESC, count(*) DESC, name
