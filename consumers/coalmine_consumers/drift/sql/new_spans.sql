-- Purpose: where to look for what batches brought, so that not every row has to be looked at.
-- Grain: one row; nulls where they brought nothing of that event.
-- Parameters: $after and $through, ingest ids (after, through].
-- Units: times UTC of the requests that came; ids of the requests that feedback and scores are about.
SELECT
    (
        SELECT min(first_event_time) FROM batches
        WHERE event = 'requests' AND ingest_id > $after AND coalesce(first_ingest_id, ingest_id) <= $through
    ) AS since,
    (
        SELECT max(last_event_time) FROM batches
        WHERE event = 'requests' AND ingest_id > $after AND coalesce(first_ingest_id, ingest_id) <= $through
    ) AS until,
    min(request_id) AS least_id,
    max(request_id) AS greatest_id
FROM (
    SELECT request_id FROM feedback WHERE ingest_id > $after AND ingest_id <= $through
    UNION ALL
    SELECT request_id FROM scores WHERE ingest_id > $after AND ingest_id <= $through
)
