-- Purpose: what named numbers, in requests' metrics and in scores, add to the hours of versions.
-- Grain: one row per span, hour of the request, unit group and name.
-- Parameters: $since and $until, times of requests; $through, an ingest id; $least_id and
-- $greatest_id, those of these requests, so that not every row has to be looked at; the table `spans`, as request_sums says.
-- Units: hours since 1970; n values and their sum.
WITH mine AS (
    SELECT number, request_id, event_time, unit_group, metrics
    FROM requests JOIN spans USING (prompt, version, environment)
    WHERE event_time >= $since AND event_time < $until AND ingest_id <= $through
        AND event_time >= spans.since AND event_time < spans.until
), named AS (
    SELECT number, event_time, unit_group, entry.key AS name, entry.value AS value
    FROM (SELECT number, event_time, unit_group, unnest(metrics) AS entry FROM mine)
    UNION ALL
    SELECT mine.number, mine.event_time, mine.unit_group, scored.name, scored.value
    FROM mine JOIN scores AS scored USING (request_id)
    WHERE scored.ingest_id <= $through
        AND scored.request_id >= $least_id::UUID AND scored.request_id <= $greatest_id::UUID
)
SELECT
    number,
    floor(epoch(event_time) / 3600)::BIGINT AS hour,
    unit_group,
    name,
    count(*) AS n,
    sum(value) AS total
FROM named
GROUP BY ALL
