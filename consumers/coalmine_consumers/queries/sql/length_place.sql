-- Purpose: where the length of an answer is among those of its version in one environment.
-- Grain: one row.
-- Parameters: $prompt, $version, $environment; $since and $until of the requests; $value.
-- Units: tokens; smaller and equal count requests, of n.
SELECT
    count(output_tokens) AS n,
    count(*) FILTER (output_tokens < $value) AS smaller,
    count(*) FILTER (output_tokens = $value) AS equal,
    median(output_tokens)::DOUBLE AS median,
    quantile_cont(output_tokens, 0.95)::DOUBLE AS p95
FROM requests
WHERE prompt = $prompt AND version = $version AND environment = $environment
    AND event_time >= $since AND event_time < $until
