-- Purpose: the mean of one named metric of raw calls, from their own metrics and from scores.
-- Grain: one row per key that has a value.
-- Parameters: keys and calls as totals_of_calls.sql; $name.
-- Units: the metric's own.
WITH chosen AS (
    SELECT {keys}, request_id, list_filter(metrics, lambda entry: entry.key = $name) AS own FROM ({calls})
), given AS (
    SELECT {keys}, unnest(own).value AS value FROM chosen WHERE len(own) > 0
    UNION ALL
    SELECT {keys}, value
    FROM chosen
    JOIN (SELECT request_id, value FROM scores WHERE name = $name) USING (request_id)
)
SELECT NULL AS bucket, {keys}, avg(value) AS mean, count(*) AS n
FROM given
GROUP BY ALL
ORDER BY ALL
