-- Purpose: single requests with their features, the same ones whenever it is asked.
-- Grain: one row per request in the sample.
-- Parameters: $below, requests with a smaller bucket are taken; the place segments takes expressions,
--   with more parameters as these name them; reads explained_requests.
-- Units: value is the request's own y / x, weight its x.
SELECT
    side, unit, version, model, app, resolution, streamed, input_tokens, output_tokens, latency_ms,
    extract('hour' FROM event_time)::INTEGER AS hour,
    y / x AS value, x AS weight{segments}
FROM explained_requests
WHERE x > 0 AND bucket < $below
ORDER BY bucket, unit, event_time
