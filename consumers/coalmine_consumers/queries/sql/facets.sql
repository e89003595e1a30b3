-- Purpose: every combination of dimensions there is to choose from.
-- Grain: one row per prompt, version, environment and app.
-- Parameters: none.
-- Units: times UTC.
SELECT
    prompt,
    version,
    environment,
    app,
    min(first_event_time) AS first_event_time,
    max(last_event_time) AS last_event_time
FROM rollups
WHERE resolution = 'day'
GROUP BY ALL
ORDER BY ALL
