-- Purpose: thresholds of one version's heavy-tailed measures.
-- Grain: one row.
-- Parameters: {requests}, a relation of the version's raw requests; $cap and $tail, quantiles.
-- Units: as the columns they are taken of.
SELECT
    quantile_cont(cost_nano_usd, $cap::DOUBLE) AS cost_cap,
    quantile_cont(cost_uncached_nano_usd, $cap::DOUBLE) AS cost_uncached_cap,
    quantile_cont(latency_ms, $cap::DOUBLE) AS latency_cap,
    quantile_cont(latency_ms, $tail::DOUBLE) AS latency_tail,
    quantile_cont(time_to_first_token_ms, $tail::DOUBLE) AS time_to_first_token_tail
FROM {requests}
