-- Purpose: which segments could explain a difference between versions.
-- Grain: one row per segment key.
-- Parameters: {requests}, a relation of the versions' raw requests.
-- Units: requests that have the key, and its different values.
SELECT entry.key AS key, count(DISTINCT entry.value) AS different, count(*) AS requests
FROM (SELECT unnest(segments) AS entry FROM {requests})
GROUP BY ALL
ORDER BY requests DESC, key
