-- Purpose: which days of versions have to be summed up again, because batches brought requests of them.
-- Grain: one row per version and UTC day of the requests' own times.
-- Parameters: $after and $through, ingest ids (after, through]; $since and $until, times; the table `keys`: prompt,
-- version, environment.
-- Units: days as times, UTC.
SELECT DISTINCT prompt, version, environment, time_bucket(INTERVAL 1 DAY, event_time) AS day
FROM requests JOIN keys USING (prompt, version, environment)
WHERE ingest_id > $after AND ingest_id <= $through AND event_time >= $since AND event_time <= $until
    AND event_time < TIMESTAMPTZ '9999-01-01 00:00:00+00'
