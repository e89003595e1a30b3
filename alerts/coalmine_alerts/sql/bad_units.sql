-- Purpose: failed and refused requests of a version, by groups of units.
-- Grain: one row per five minutes and unit group.
-- Parameters: $environment; $prompt; $version; $since; $now; $refusals, finish reasons.
-- Units: requests; five minutes counted from $since.
SELECT
    floor(epoch(event_time - $since::TIMESTAMPTZ) / 300)::BIGINT AS stratum,
    unit_group,
    count(*) AS requests,
    count(error_type) AS errors,
    count(*) FILTER (list_contains($refusals, finish_reason)) AS refusals
FROM requests
WHERE environment = $environment AND prompt = $prompt AND version = $version
    AND event_time >= $since AND event_time < $now
GROUP BY ALL
