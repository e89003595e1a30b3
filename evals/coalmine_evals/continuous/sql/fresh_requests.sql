-- Purpose: requests that were stored lately and may be scored or reviewed, without their texts.
-- Grain: one row per request that ended well.
-- Parameters: $after and $upto, batches; $since, when they were stored; $environments; $below, only requests with a smaller bucket.
-- Units: bucket is even over [0, 2^32) and the same for a request ever after (as in explained_requests.sql).
WITH fresh AS (
    SELECT
        *,
        (md5_number_lower(request_id::VARCHAR) % 4294967296)::BIGINT AS bucket
    FROM requests
    WHERE ingest_id > $after AND ingest_id <= $upto AND ingested_at >= $since
      AND list_contains($environments, environment)
      AND coalesce(outcome, 'unknown') IN ('ok', 'unknown', 'truncated') AND error_type IS NULL
)
SELECT
    request_id::VARCHAR AS request_id, bucket, environment, prompt, version, experiment, variant, unit_id,
    event_time, ingested_at, ingest_id,
    output_text IS NOT NULL AS has_text,
    segments
FROM fresh
WHERE bucket < $below
ORDER BY ingest_id, bucket
