-- Purpose: the requests of both sides of a question, each with what it adds to the metric in question.
-- Grain: one row per request.
-- Parameters: $prompt, $environment (null: any); for each side $a_... and $b_... version (null: any), since and
--   until (null: open); the places x and y take what a request adds, reactions a query of what was said of the requests
--   asked for, with more parameters as these name them. time is filled in where time is divided into periods.
-- Units: x and y as in experiment cells; bucket, of requests that add to the denominator, is even over [0, 2^32) and the
--   same for a request ever after.
WITH asked AS (
    SELECT
        CASE WHEN ($a_version IS NULL OR version = $a_version)
                  AND event_time >= coalesce($a_since, '-infinity'::TIMESTAMPTZ)
                  AND event_time < coalesce($a_until, 'infinity'::TIMESTAMPTZ)
             THEN 0 ELSE 1 END AS side,
        *
    FROM requests
    WHERE prompt = $prompt
      AND ($environment IS NULL OR environment = $environment)
      AND (
          (
              ($a_version IS NULL OR version = $a_version)
              AND event_time >= coalesce($a_since, '-infinity'::TIMESTAMPTZ)
              AND event_time < coalesce($a_until, 'infinity'::TIMESTAMPTZ)
          ) OR (
              ($b_version IS NULL OR version = $b_version)
              AND event_time >= coalesce($b_since, '-infinity'::TIMESTAMPTZ)
              AND event_time < coalesce($b_until, 'infinity'::TIMESTAMPTZ)
          )
      )
), valued AS (
    SELECT asked.*, ({x})::DOUBLE AS x, ({y})::DOUBLE AS y
    FROM asked
    LEFT JOIN ({reactions}) AS reaction ON reaction.request_id = asked.request_id
)
SELECT
    side, event_time, '' AS time, unit_group, hash(unit_id) AS unit, version, app, segments,
    coalesce(response_model, request_model) AS model,
    CASE WHEN variant IS NOT NULL THEN experiment END AS experiment,
    input_tokens, output_tokens, latency_ms, time_to_first_token_ms IS NOT NULL AS streamed, resolution,
    -- Of the others nobody asks it, and hashing is what takes longest.
    CASE WHEN x > 0 THEN (md5_number_lower(request_id::VARCHAR) % 4294967296)::UINTEGER END AS bucket,
    x,
    greatest(least(y, 1e140), -1e140) AS y
FROM valued
