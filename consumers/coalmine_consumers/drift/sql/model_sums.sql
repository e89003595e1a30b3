-- Purpose: which models answered a version's requests, as the events tell.
-- Grain: one row per hour, model asked for and model that answered; requests that do not say are left out.
-- Parameters: $prompt, $version, $environment; $since and $until, times; $through, an ingest id.
-- Units: requests; times UTC.
SELECT
    time_bucket(INTERVAL 1 HOUR, event_time) AS hour,
    request_model,
    response_model,
    count(*) AS requests,
    min(event_time) AS first_event_time
FROM requests
WHERE prompt = $prompt AND version = $version AND environment = $environment
    AND event_time >= $since AND event_time < $until AND ingest_id <= $through
    AND response_model IS NOT NULL
GROUP BY ALL
ORDER BY ALL
