-- Purpose: add up raw calls, and what people said of them; a person's last word on a call counts.
-- Grain: one row per key.
-- Parameters: keys, columns that tell rows apart; calls, the text of chosen_calls.sql, and its parameters.
-- Units: cost in nano-USD, latency in ms, times UTC.
WITH words AS (
    SELECT
        request_id,
        count(*) AS given,
        count(*) FILTER (thumbs = 'up') AS up,
        count(*) FILTER (thumbs = 'down') AS down
    FROM (
        SELECT request_id, arg_max(thumbs, (event_time, feedback_id)) AS thumbs
        FROM feedback
        SEMI JOIN ({calls}) AS about USING (request_id)
        GROUP BY request_id, unit_id
    )
    GROUP BY request_id
)
SELECT
    NULL AS bucket,
    {keys},
    count(*) AS requests,
    count(error_type) AS errors,
    count(input_tokens) AS input_tokens_known,
    coalesce(sum(input_tokens), 0) AS input_tokens,
    count(cached_input_tokens) AS cached_input_tokens_known,
    coalesce(sum(cached_input_tokens), 0) AS cached_input_tokens,
    count(output_tokens) AS output_tokens_known,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    count(cost_nano_usd) AS cost_known,
    coalesce(sum(cost_nano_usd), 0) AS cost_nano_usd,
    avg(latency_ms) AS latency_ms_mean,
    coalesce(sum(given), 0) AS feedback,
    coalesce(sum(up), 0) AS thumbs_up,
    coalesce(sum(down), 0) AS thumbs_down,
    list_sort(list(DISTINCT environment)) AS environments,
    list_sort(list(DISTINCT model)) AS models,
    coalesce(list_sort(list(DISTINCT variant) FILTER (variant IS NOT NULL)), []) AS variants,
    min(event_time) AS first_event_time,
    max(event_time) AS last_event_time
FROM ({calls})
LEFT JOIN words USING (request_id)
GROUP BY ALL
ORDER BY ALL
