-- Purpose: where to look for what batches brought, so that not every row has to be looked at.
-- Grain: one row; nulls where they brought nothing of that event.
-- Parameters: $after and $through, ingest ids (after, through].
-- Units: times UTC: of the requests that came, and of the feedback and scores.
SELECT
    min(first_event_time) FILTER (event = 'requests') AS since,
    max(last_event_time) FILTER (event = 'requests') AS until,
    min(first_event_time) FILTER (event IN ('feedback', 'scores')) AS reacted_since,
    max(last_event_time) FILTER (event IN ('feedback', 'scores')) AS reacted_until
FROM batches
WHERE ingest_id > $after AND coalesce(first_ingest_id, ingest_id) <= $through
