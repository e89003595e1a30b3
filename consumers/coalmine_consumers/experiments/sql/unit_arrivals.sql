-- Purpose: how soon how many units came.
-- Grain: one row per hour since the first request in which units came for the first time.
-- Parameters: {requests}, a relation of raw requests.
-- Units: units that came first in that hour; times of the first and last request of all.
WITH arrived AS (
    SELECT unit_id, min(event_time) AS came FROM {requests} GROUP BY unit_id
), spans AS (
    SELECT min(event_time) AS first_event_time, max(event_time) AS last_event_time FROM {requests}
)
SELECT
    floor((epoch(came) - epoch(first_event_time)) / 3600)::BIGINT AS hour,
    count(*) AS units,
    any_value(first_event_time) AS first_event_time,
    any_value(last_event_time) AS last_event_time
FROM arrived, spans
GROUP BY hour
ORDER BY hour
