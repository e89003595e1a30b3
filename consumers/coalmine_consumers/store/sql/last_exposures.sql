-- Purpose: attribute late outcomes, each to the last call of its unit or session before it and within the window.
-- Grain: one row per outcome that has such a call.
-- Parameters: requests, a relation of raw requests; outcomes, one of outcomes (score_id UUID, event_time, unit_id,
--   session_id, prompt); $window_us; $first and $last, bounds of the times of calls that may be such, by which DuckDB
--   skips row groups. Of calls that began at the same moment the one with the greatest id is the last.
WITH candidates AS (
    SELECT open.score_id, request.event_time, request.request_id
    FROM {requests} AS request
    JOIN {outcomes} AS open ON open.unit_id = request.unit_id
    WHERE request.event_time BETWEEN $first AND $last
      AND request.event_time BETWEEN open.event_time - to_microseconds($window_us) AND open.event_time
      AND (open.session_id IS NULL OR request.session_id = open.session_id)
      AND (open.prompt IS NULL OR request.prompt = open.prompt)
    UNION ALL
    SELECT open.score_id, request.event_time, request.request_id
    FROM {requests} AS request
    JOIN {outcomes} AS open ON open.session_id = request.session_id
    WHERE request.event_time BETWEEN $first AND $last
      AND request.event_time BETWEEN open.event_time - to_microseconds($window_us) AND open.event_time
      AND open.unit_id IS NULL
      AND (open.prompt IS NULL OR request.prompt = open.prompt)
)
SELECT
    score_id,
    max(event_time) AS request_time,
    arg_max(request_id, (event_time, request_id)) AS request_id
FROM candidates
GROUP BY score_id
