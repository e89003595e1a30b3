-- Purpose: which days of a version have to be summed up anew, because batches brought something to them.
-- Grain: one row per UTC day of the requests' own times, ascending.
-- Parameters: $prompt, $version, $environment; $after and $through, ingest ids (after, through]; $since, a time
-- before which nothing is summed up any more.
-- Units: days as times, UTC.
WITH mine AS (
    SELECT request_id, event_time, ingest_id
    FROM requests
    WHERE prompt = $prompt AND version = $version AND environment = $environment AND event_time >= $since
)
SELECT DISTINCT time_bucket(INTERVAL 1 DAY, event_time) AS day
FROM (
    SELECT event_time FROM mine WHERE ingest_id > $after AND ingest_id <= $through
    UNION ALL
    SELECT mine.event_time
    FROM mine JOIN (SELECT request_id FROM feedback WHERE ingest_id > $after AND ingest_id <= $through)
        USING (request_id)
    UNION ALL
    SELECT mine.event_time
    FROM mine JOIN (SELECT request_id FROM scores WHERE ingest_id > $after AND ingest_id <= $through)
        USING (request_id)
)
ORDER BY day
