-- Purpose: which days of versions have to be summed up again, because batches added to them.
-- Grain: one row per version and UTC day of the requests' own times, days ascending.
-- Parameters: $after and $through, ingest ids (after, through]; $kept_from, a time before which nothing is summed
-- up any more; $since, $until, $least_id, $greatest_id, as new_spans says; the table `keys`: prompt, version, environment.
-- Units: days as times, UTC.
SELECT DISTINCT prompt, version, environment, time_bucket(INTERVAL 1 DAY, event_time) AS day
FROM (
    SELECT prompt, version, environment, event_time
    FROM requests JOIN keys USING (prompt, version, environment)
    WHERE ingest_id > $after AND ingest_id <= $through AND event_time >= $since AND event_time <= $until
    UNION ALL
    SELECT request.prompt, request.version, request.environment, request.event_time
    FROM (
        -- From the beginning on ($after is 0), every day that has a request is found above.
        SELECT request_id FROM feedback WHERE $after > 0 AND ingest_id > $after AND ingest_id <= $through
        UNION ALL
        SELECT request_id FROM scores WHERE $after > 0 AND ingest_id > $after AND ingest_id <= $through
    ) AS reaction
    JOIN requests AS request USING (request_id)
    JOIN keys
        ON request.prompt = keys.prompt
        AND request.version = keys.version
        AND request.environment = keys.environment
    WHERE request.request_id >= $least_id AND request.request_id <= $greatest_id
)
WHERE event_time >= $kept_from
    AND event_time < TIMESTAMPTZ '9999-01-01 00:00:00+00' -- an old store may hold such times; calendars end there
ORDER BY day
