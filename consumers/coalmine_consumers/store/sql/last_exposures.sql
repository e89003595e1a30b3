-- Purpose: attribute late outcomes, each to the last call of its unit or session before it and within the window.
-- Grain: one row per outcome that has such a call.
-- Parameters: requests, a relation of raw requests; outcomes, one of outcomes (score_id UUID, event_time, unit_id,
--   session_id, prompt); $window_us; $first and $last, bounds of the times of calls that may be such, by which DuckDB
--   skips row groups. Of calls that began at the same moment the one with the greatest id is the last.
--   No call is paired with all outcomes of its unit: one unit may have a hundred thousand of both.
WITH keys AS (
    SELECT row_number() OVER () AS key, *
    FROM (SELECT DISTINCT unit_id, session_id, prompt FROM {outcomes})
),
candidates AS (
    SELECT
        keys.key, keys.prompt AS wanted, request.prompt, request.event_time, request.request_id,
        request.unit_id, request.experiment
    FROM {requests} AS request
    JOIN keys ON keys.unit_id = request.unit_id
    WHERE request.event_time BETWEEN $first AND $last AND keys.session_id IS NULL
    UNION ALL
    SELECT
        keys.key, keys.prompt AS wanted, request.prompt, request.event_time, request.request_id,
        request.unit_id, request.experiment
    FROM {requests} AS request
    JOIN keys ON keys.unit_id = request.unit_id AND keys.session_id = request.session_id
    WHERE request.event_time BETWEEN $first AND $last
    UNION ALL
    SELECT
        keys.key, keys.prompt AS wanted, request.prompt, request.event_time, request.request_id,
        request.unit_id, request.experiment
    FROM {requests} AS request
    JOIN keys ON keys.session_id = request.session_id
    WHERE request.event_time BETWEEN $first AND $last AND keys.unit_id IS NULL
),
calls AS (
    SELECT
        key,
        event_time,
        max(request_id) AS request_id,
        arg_max(unit_id, request_id) AS call_unit_id,
        arg_max_null(experiment, request_id) AS call_experiment
    FROM candidates
    WHERE wanted IS NULL OR wanted = prompt
    GROUP BY key, event_time
),
keyed AS (
    SELECT open.score_id, open.event_time, keys.key
    FROM {outcomes} AS open
    JOIN keys
        ON keys.unit_id IS NOT DISTINCT FROM open.unit_id
        AND keys.session_id IS NOT DISTINCT FROM open.session_id
        AND keys.prompt IS NOT DISTINCT FROM open.prompt
)
SELECT
    keyed.score_id,
    calls.event_time AS request_time,
    calls.request_id,
    calls.call_unit_id,
    calls.call_experiment
FROM keyed
ASOF JOIN calls ON calls.key = keyed.key AND keyed.event_time >= calls.event_time
WHERE calls.event_time >= keyed.event_time - to_microseconds($window_us)
