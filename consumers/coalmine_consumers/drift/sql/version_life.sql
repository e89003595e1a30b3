-- Purpose: since when and until when a version has had requests, as far as raw rows tell.
-- Grain: one row; nulls where there is none.
-- Parameters: $prompt, $version, $environment.
-- Units: times UTC.
SELECT
    time_bucket(INTERVAL 1 HOUR, min(event_time)) AS first_hour,
    max(event_time) AS last_event_time,
    count(*) AS requests
FROM requests
WHERE prompt = $prompt AND version = $version AND environment = $environment
