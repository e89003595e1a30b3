-- Purpose: which models answered a watched version's requests, since when, and how much of them lately.
-- Grain: one row per model asked for and model that answered, by model asked for and first answer.
-- Parameters: $prompt, $version, $environment.
-- Units: times UTC; requests; a share, 0 to 1, of the last 24 hours in which that model was asked for.
WITH mine AS (
    SELECT * FROM drift_models
    WHERE prompt = $prompt AND version = $version AND environment = $environment
), ends AS (
    SELECT request_model, max(hour) - INTERVAL 23 HOUR AS lately_from FROM mine GROUP BY request_model
), late AS (
    SELECT request_model, sum(requests) AS requests
    FROM mine JOIN ends USING (request_model)
    WHERE hour >= lately_from
    GROUP BY request_model
)
SELECT
    request_model,
    response_model,
    min(first_event_time) AS first_event_time,
    max(hour) AS last_hour,
    sum(mine.requests)::BIGINT AS requests,
    coalesce(sum(mine.requests) FILTER (hour >= lately_from), 0) / any_value(late.requests) AS share_lately
FROM mine JOIN ends USING (request_model) JOIN late USING (request_model)
GROUP BY request_model, response_model
ORDER BY request_model, first_event_time, response_model
