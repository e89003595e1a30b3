-- Purpose: who serves a version that was taken back.
-- Grain: one row per application, version of the client and resolution.
-- Parameters: $environment; $prompt; $version; $since; $now.
-- Units: requests; time UTC.
SELECT
    app,
    client_version,
    resolution,
    count(*) AS requests,
    max(event_time) AS last_seen
FROM requests
WHERE environment = $environment AND prompt = $prompt AND version = $version AND resolution <> 'fixed'
    AND event_time >= $since AND event_time < $now
GROUP BY ALL
ORDER BY requests DESC, app
