-- Purpose: inputs of stored requests, the same sample whenever it is asked.
-- Grain: one row per request in the sample.
-- Parameters: $prompt; $environment; $since; $until; $most, how many.
-- Units: requests and with_texts, of the whole period.
WITH ended_well AS (
    SELECT request_id, version, input_text, unit_id
    FROM requests
    WHERE prompt = $prompt AND environment = $environment
      AND event_time >= $since AND event_time < $until
      AND coalesce(outcome, 'unknown') IN ('ok', 'unknown', 'truncated') AND error_type IS NULL
)
SELECT
    request_id::VARCHAR AS request_id, version, input_text, sha256(unit_id)[:16] AS cluster,
    (SELECT count(*) FROM ended_well) AS requests,
    (SELECT count(input_text) FROM ended_well) AS with_texts
FROM ended_well
WHERE input_text IS NOT NULL
ORDER BY md5_number_lower(request_id::VARCHAR) % 4294967296, request_id
LIMIT $most
