-- Purpose: which models answered requests of versions, as the events tell.
-- Grain: one row per span, hour, model asked for and model that answered; requests that do not say are left out.
-- Parameters: $since and $until, times; $through, an ingest id; the table `spans`, as request_sums says.
-- Units: requests; times UTC.
SELECT
    number,
    time_bucket(INTERVAL 1 HOUR, event_time) AS hour,
    request_model,
    response_model,
    count(*) AS requests,
    min(event_time) AS first_event_time
FROM requests JOIN spans USING (prompt, version, environment)
WHERE event_time >= $since AND event_time < $until AND ingest_id <= $through
    AND event_time >= spans.since AND event_time < spans.until
    AND response_model IS NOT NULL
GROUP BY ALL
ORDER BY ALL
