-- Purpose: puts the rows of some versions and days aside, so that the queries that follow look at no others.
-- Grain: one row per request, with what sums are made of.
-- Parameters: $since and $until, times; $through, an ingest id; the table `keys`: prompt, version, environment.
-- Units: as in `requests`.
CREATE TEMP TABLE narrowed AS
SELECT
    request_id,
    event_time,
    prompt,
    version,
    environment,
    unit_id,
    unit_group,
    request_model,
    response_model,
    error_type,
    finish_reason,
    cost_nano_usd,
    latency_ms,
    time_to_first_token_ms,
    input_tokens,
    output_tokens,
    metrics,
    ingest_id
FROM requests JOIN keys USING (prompt, version, environment)
WHERE event_time >= $since AND event_time < $until AND ingest_id <= $through
