-- Purpose: what requests of a version add to its hours, unit group by unit group.
-- Grain: one row per hour and unit group.
-- Parameters: $prompt, $version, $environment; $since and $until, times; $cost_cap, $latency_cap, $latency_tail,
-- $first_token_tail: thresholds, null where there is none; $refusals, finish reasons; $through, an ingest id.
-- Units: hours since 1970; nano-USD, ms, tokens; *_n counts requests whose value is known.
SELECT
    floor(epoch(event_time) / 3600)::BIGINT AS hour,
    unit_group,
    count(*) AS requests,
    count(DISTINCT unit_id) AS units,
    count(error_type) AS errors,
    count(*) FILTER (list_contains($refusals, finish_reason)) AS refusals,
    count(cost_nano_usd) AS cost_n,
    -- least() leaves nulls out, so a cost that is not known would count as the cap.
    sum(least(cost_nano_usd, $cost_cap::DOUBLE)::DOUBLE) FILTER (cost_nano_usd IS NOT NULL) AS cost,
    count(latency_ms) AS latency_n,
    sum(least(latency_ms, $latency_cap::DOUBLE)) AS latency,
    count(*) FILTER (latency_ms > $latency_tail::DOUBLE) AS latency_over,
    count(time_to_first_token_ms) AS first_token_n,
    count(*) FILTER (time_to_first_token_ms > $first_token_tail::DOUBLE) AS first_token_over,
    count(input_tokens) AS input_tokens_n,
    sum(input_tokens)::DOUBLE AS input_tokens,
    count(output_tokens) AS output_tokens_n,
    sum(output_tokens)::DOUBLE AS output_tokens
FROM requests
WHERE prompt = $prompt AND version = $version AND environment = $environment
    AND event_time >= $since AND event_time < $until AND ingest_id <= $through
GROUP BY ALL
