-- Purpose: applications, and which of their requests got their prompt without the registry.
-- Grain: one row per environment and application.
-- Parameters: $since; $now; $early, the end of the first minutes.
-- Units: requests.
SELECT
    environment,
    app,
    count(*) AS requests,
    count(*) FILTER (resolution IN ('fallback', 'disk')) AS without_registry,
    coalesce(
        list_sort(list(DISTINCT prompt) FILTER (resolution IN ('fallback', 'disk')))[1:20], []
    ) AS prompts,
    coalesce(bool_or(event_time < $early) FILTER (resolution IN ('fallback', 'disk')), false) AS earliest
FROM requests
WHERE event_time >= $since AND event_time < $now
GROUP BY environment, app
ORDER BY environment, app
