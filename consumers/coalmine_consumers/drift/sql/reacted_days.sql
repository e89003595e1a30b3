-- Purpose: which days of versions have to be summed up again, because batches brought feedback or scores about
-- requests of them.
-- Grain: one row per version and UTC day of the requests' own times.
-- Parameters: $least_id and $greatest_id, ids of requests, so that not every row has to be looked at; $kept_from and
-- $until, times; the tables `keys` (prompt, version, environment) and `new_reactions` (request_id).
-- Units: days as times, UTC.
SELECT DISTINCT prompt, version, environment, time_bucket(INTERVAL 1 DAY, event_time) AS day
FROM requests JOIN keys USING (prompt, version, environment)
WHERE request_id IN (SELECT request_id FROM new_reactions)
    AND request_id >= $least_id::UUID AND request_id <= $greatest_id::UUID
    AND event_time >= $kept_from AND event_time < $until
