-- Purpose: when versions ran, for how many units, and in which hours and experiments together.
-- Grain: one row per version.
-- Parameters: {requests}, a relation of the versions' raw requests.
-- Units: hours since 1970; different units.
SELECT
    version,
    count(*) AS requests,
    count(DISTINCT unit_id) AS units,
    min(event_time) AS first_event_time,
    max(event_time) AS last_event_time,
    list(DISTINCT floor(epoch(event_time) / 3600)::BIGINT) AS hours,
    list_sort(list(DISTINCT experiment) FILTER (experiment IS NOT NULL AND variant IS NOT NULL)) AS experiments
FROM {requests}
GROUP BY version
