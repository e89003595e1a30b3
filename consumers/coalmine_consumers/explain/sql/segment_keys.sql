-- Purpose: which segments there are, and how many different values they have, about.
-- Grain: one row per segment key.
-- Parameters: none; reads explained_requests.
-- Units: requests that have the key.
SELECT entry.key AS key, approx_count_distinct(entry.value) AS different, count(*) AS requests
FROM (SELECT unnest(segments) AS entry FROM explained_requests WHERE x > 0)
GROUP BY ALL
ORDER BY key
