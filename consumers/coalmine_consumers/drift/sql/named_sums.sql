-- Purpose: what named numbers, in requests' metrics and in scores, add to a version's hours.
-- Grain: one row per hour of the request, unit group and name.
-- Parameters: $prompt, $version, $environment; $since and $until, times of requests; $through, an ingest id.
-- Units: hours since 1970; n values and their sum.
WITH mine AS (
    SELECT request_id, event_time, unit_group, metrics
    FROM requests
    WHERE prompt = $prompt AND version = $version AND environment = $environment
        AND event_time >= $since AND event_time < $until AND ingest_id <= $through
), named AS (
    SELECT event_time, unit_group, entry.key AS name, entry.value AS value
    FROM (SELECT event_time, unit_group, unnest(metrics) AS entry FROM mine)
    UNION ALL
    SELECT mine.event_time, mine.unit_group, scored.name, scored.value
    FROM mine JOIN scores AS scored USING (request_id)
    WHERE scored.ingest_id <= $through
)
SELECT
    floor(epoch(event_time) / 3600)::BIGINT AS hour, unit_group, name, count(*) AS n, sum(value) AS total
FROM named
GROUP BY ALL
