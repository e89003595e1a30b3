-- Purpose: the groups of a prompt's requests.
-- Grain: one row per group, those with the most requests first.
-- Parameters: {requests}, a relation of raw requests; {group}, an expression that names a request's group.
-- Units: requests, different units; times UTC.
SELECT
    {group} AS name,
    count(*) AS requests,
    count(DISTINCT unit_id) AS units,
    min(event_time) AS first_event_time,
    max(event_time) AS last_event_time
FROM {requests}
GROUP BY ALL
ORDER BY requests DESC, name
