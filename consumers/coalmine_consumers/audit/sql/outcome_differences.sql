-- Purpose: compare where late outcomes are attributed to with where they belong.
-- Grain: one row.
-- Parameters: exposures, last_exposures.sql; requests, a relation of raw requests. An outcome may keep a call that
--   has expired, and one of a session whose user was forgotten is not looked up.
SELECT
    count(*) AS outcomes,
    count(*) FILTER (
        outcome.request_id IS DISTINCT FROM found.request_id
        AND (outcome.request_id IS NULL OR kept.request_id IS NOT NULL)
    ) AS wrong
FROM late_outcomes AS outcome
LEFT JOIN ({exposures}) AS found USING (score_id)
LEFT JOIN {requests} AS kept ON kept.request_id = outcome.request_id
WHERE outcome.open_since IS NULL AND outcome.session_id IS DISTINCT FROM 'forgotten'
