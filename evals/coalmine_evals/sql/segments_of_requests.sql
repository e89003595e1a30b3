-- Purpose: what requests of a prompt are like: how many have each value of each key of segments.
-- Grain: one row per key and value, the most frequent values of a key only; then one of each key without value,
--   which counts the requests that have the key; and one without key, which counts all.
-- Parameters: $prompt; $environment, null for all; $since; $until; $most_values of a key; $most_keys.
WITH asked AS MATERIALIZED (
    SELECT segments
    FROM requests
    WHERE prompt = $prompt AND event_time >= $since AND event_time < $until
        AND ($environment IS NULL OR environment = $environment)
),

counted AS (
    SELECT entry."key" AS "key", entry."value" AS "value", count(*) AS requests
    FROM (SELECT unnest(segments) AS entry FROM asked)
    GROUP BY ALL
),

keys AS (
    SELECT "key", sum(requests)::BIGINT AS requests
    FROM counted
    GROUP BY ALL
    ORDER BY requests DESC, "key"
    LIMIT $most_keys
),

ranked AS (
    SELECT *, row_number() OVER (PARTITION BY "key" ORDER BY requests DESC, "value") AS place
    FROM counted
    SEMI JOIN keys USING ("key")
)

SELECT "key", "value", requests FROM ranked WHERE place <= $most_values
UNION ALL
SELECT "key", NULL, requests FROM keys
UNION ALL
SELECT NULL, NULL, count(*) FROM asked
ORDER BY "key" NULLS FIRST, requests DESC, "value" NULLS FIRST
