-- Purpose: when some requests were.
-- Grain: one row, or none without requests.
-- Parameters: {requests}, a relation of raw requests.
-- Units: times; requests.
SELECT min(event_time) AS first_event_time, max(event_time) AS last_event_time, count(*) AS requests
FROM {requests}
HAVING count(*) > 0
