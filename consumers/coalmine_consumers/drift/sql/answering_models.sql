-- Purpose: which models answered requests of watched versions, since when, and how much of them lately.
-- Grain: one row per version, model asked for and model that answered, by model asked for and first answer.
-- Parameters: $prompts, $versions, $environments: lists, of each version one item in each.
-- Units: times UTC; requests; a share, 0 to 1, of the last 24 hours in which that model was asked for.
WITH keys AS (
    SELECT unnest($prompts) AS prompt, unnest($versions) AS version, unnest($environments) AS environment
), mine AS (
    SELECT
        prompt,
        version,
        environment,
        request_model,
        response_model,
        first_event_time,
        hour,
        requests,
        hour >= max(hour) OVER (PARTITION BY prompt, version, environment, request_model)
        - INTERVAL 23 HOUR AS is_late
    FROM drift_models JOIN keys USING (prompt, version, environment)
), models AS (
    SELECT
        prompt,
        version,
        environment,
        request_model,
        response_model,
        min(first_event_time) AS first_event_time,
        max(hour) AS last_hour,
        sum(requests)::BIGINT AS requests,
        coalesce(sum(requests) FILTER (is_late), 0) AS lately
    FROM mine
    GROUP BY ALL
)
SELECT
    * EXCLUDE lately,
    lately / sum(lately) OVER (PARTITION BY prompt, version, environment, request_model) AS share_lately
FROM models
ORDER BY request_model, first_event_time, response_model
