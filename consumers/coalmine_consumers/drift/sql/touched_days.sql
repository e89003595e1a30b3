-- Purpose: which days of a version have to be summed up again, because batches added to them.
-- Grain: one row per UTC day of the requests' own times, ascending.
-- Parameters: $prompt, $version, $environment; $after and $through, ingest ids (after, through]; $kept_from, a
-- time before which nothing is summed up any more; $since, $until, $least_id, $greatest_id, as new_spans says.
-- Units: days as times, UTC.
SELECT DISTINCT time_bucket(INTERVAL 1 DAY, event_time) AS day
FROM (
    SELECT event_time
    FROM requests
    WHERE prompt = $prompt AND version = $version AND environment = $environment
        AND ingest_id > $after AND ingest_id <= $through
        AND event_time >= $since AND event_time <= $until
    UNION ALL
    SELECT request.event_time
    FROM (
        SELECT request_id FROM feedback WHERE ingest_id > $after AND ingest_id <= $through
        UNION ALL
        SELECT request_id FROM scores WHERE ingest_id > $after AND ingest_id <= $through
    ) AS reaction
    JOIN requests AS request USING (request_id)
    WHERE request.prompt = $prompt AND request.version = $version AND request.environment = $environment
        AND request.request_id >= $least_id AND request.request_id <= $greatest_id
)
WHERE event_time >= $kept_from
    AND event_time < TIMESTAMPTZ '9999-01-01 00:00:00+00' -- an old store may hold such times; calendars end there
ORDER BY day
