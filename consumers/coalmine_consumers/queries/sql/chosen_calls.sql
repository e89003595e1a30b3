-- Purpose: the raw calls that a question is about, under the names that rollups have for their dimensions.
-- Grain: one row per call.
-- Parameters: segment, an expression of the segment that becomes a column; only, a condition on segments; $since,
--   $until (null: open); $prompt, $version, $environment, $app, $model (null: any).
--   And $among, patterns of which the prompt matches one (null: any).
-- Units: as in raw rows.
SELECT
    request_id, prompt, version, variant, environment, app, event_time, error_type, input_tokens, output_tokens,
    cached_input_tokens, cost_nano_usd, latency_ms, time_to_first_token_ms, metrics,
    coalesce(response_model, request_model) AS model,
    variant IS NOT DISTINCT FROM 'preferred' AS preferred,
    {segment} AS segment
FROM requests
WHERE ($since IS NULL OR event_time >= $since)
  AND ($until IS NULL OR event_time < $until)
  AND ($prompt IS NULL OR prompt = $prompt)
  AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
  AND ($version IS NULL OR version = $version)
  AND ($environment IS NULL OR environment = $environment)
  AND ($app IS NULL OR app = $app)
  AND ($model IS NULL OR coalesce(response_model, request_model) = $model)
  AND {only}
