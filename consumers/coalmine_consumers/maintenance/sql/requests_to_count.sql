-- Purpose: read what rollups, cells and units need of raw requests, and leave out what they do not (texts).
-- Grain: one row per request.
-- Parameters: segments, the requests' column or a null in its place; {requests}, a relation of raw requests; $after and $through, ingest ids (after, through].
SELECT
    event_time, prompt, version, variant, environment, app, request_model, response_model,
    experiment, allocation_epoch, unit_group, unit_id,
    input_tokens, cached_input_tokens, output_tokens, cost_nano_usd, cost_uncached_nano_usd,
    latency_ms, time_to_first_token_ms,    finish_reason, error_type, metrics, ingest_id,
    {segments} AS segments
FROM {requests}
WHERE ingest_id > $after AND ingest_id <= $through
