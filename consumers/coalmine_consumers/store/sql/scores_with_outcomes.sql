-- Purpose: scores as everything reads them: a late outcome stands for a score of the request it is attributed to.
-- Grain: one row per score and outcome.
-- Parameters: scores, a relation of raw scores. Its outcomes are taken from the table that attributes them: one
--   that no request is known of has none, whatever its raw row says, and counts from the batch that settled it.
--   Whose they are is left out: joined with requests, the names of these columns would be ambiguous.
SELECT * EXCLUDE (unit_id, session_id, prompt), FALSE AS is_outcome
FROM {scores}
WHERE unit_id IS NULL AND session_id IS NULL
UNION ALL BY NAME
SELECT
    score_id, request_id, event_time, app, name, value, 'unknown' AS source,
    greatest(ingest_id, attributed_in) AS ingest_id, ingested_at, TRUE AS is_outcome
FROM late_outcomes
