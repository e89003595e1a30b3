-- Purpose: where a version's costs and latencies are capped, and what counts as slow.
-- Grain: one row.
-- Parameters: $prompt, $version, $environment; $since and $until, times; $cap and $tail, quantiles; $least,
-- values below which nothing is said.
-- Units: nano-USD and ms; null where too few values are known.
SELECT
    CASE WHEN count(cost_nano_usd) >= $least
        THEN quantile_cont(cost_nano_usd, $cap::DOUBLE) END AS cost_cap,
    CASE WHEN count(latency_ms) >= $least
        THEN quantile_cont(latency_ms, $cap::DOUBLE) END AS latency_cap,
    CASE WHEN count(latency_ms) >= $least
        THEN quantile_cont(latency_ms, $tail::DOUBLE) END AS latency_tail,
    CASE WHEN count(time_to_first_token_ms) >= $least
        THEN quantile_cont(time_to_first_token_ms, $tail::DOUBLE) END AS time_to_first_token_tail
FROM requests
WHERE prompt = $prompt AND version = $version AND environment = $environment
    AND event_time >= $since AND event_time < $until
