-- Purpose: what requests of versions add to their hours, unit group by unit group.
-- Grain: one row per span, hour and unit group.
-- Parameters: $since and $until, times within which all spans are; $refusals, finish reasons; $through, an ingest id;
-- the table `spans`: number, prompt, version, environment, each version once, since and until, times; cost_cap,
-- latency_cap, latency_tail, first_token_tail: thresholds, null where there is none.
-- Units: hours since 1970; nano-USD, ms, tokens; *_n counts requests whose value is known.
SELECT
    number,
    floor(epoch(event_time) / 3600)::BIGINT AS hour,
    unit_group,
    count(*) AS requests,
    count(DISTINCT unit_id) AS units,
    count(error_type) AS errors,
    count(*) FILTER (list_contains($refusals, finish_reason)) AS refusals,
    count(cost_nano_usd) AS cost_n,
    -- least() leaves nulls out, so a cost that is not known would count as the cap.
    sum(least(cost_nano_usd, cost_cap)::DOUBLE) FILTER (cost_nano_usd IS NOT NULL) AS cost,
    count(latency_ms) AS latency_n,
    sum(least(latency_ms, latency_cap)) AS latency,
    count(*) FILTER (latency_ms > latency_tail) AS latency_over,
    count(time_to_first_token_ms) AS first_token_n,
    count(*) FILTER (time_to_first_token_ms > first_token_tail) AS first_token_over,
    count(input_tokens) AS input_tokens_n,
    sum(input_tokens)::DOUBLE AS input_tokens,
    count(output_tokens) AS output_tokens_n,
    sum(output_tokens)::DOUBLE AS output_tokens
FROM requests JOIN spans USING (prompt, version, environment)
WHERE event_time >= $since AND event_time < $until AND ingest_id <= $through
    AND event_time >= spans.since AND event_time < spans.until
GROUP BY ALL
