-- Purpose: which models answered a watched version's requests, since when, and how much of them lately.
-- Grain: one row per model asked for and model that answered, by model asked for and first answer.
-- Parameters: $prompt, $version, $environment.
-- Units: times UTC; requests; a share, 0 to 1, of the last 24 hours in which that model was asked for.
WITH mine AS (
    SELECT
        request_model,
        response_model,
        first_event_time,
        hour,
        requests,
        hour >= max(hour) OVER (PARTITION BY request_model) - INTERVAL 23 HOUR AS is_late
    FROM drift_models
    WHERE prompt = $prompt AND version = $version AND environment = $environment
), models AS (
    SELECT
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
    lately / sum(lately) OVER (PARTITION BY request_model) AS share_lately
FROM models
ORDER BY request_model, first_event_time, response_model
