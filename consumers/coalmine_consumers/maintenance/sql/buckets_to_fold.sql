-- Purpose: find the buckets in which several rows share a key, oldest first, about $max_rows rows in all.
-- Grain: one row per resolution and bucket.
-- Parameters: {table} and {key}, its columns beside resolution and bucket; $max_rows.
WITH buckets AS (
    SELECT resolution, bucket_start, count(*) AS found
    FROM {table}
    GROUP BY resolution, bucket_start
    HAVING count(*) > count(DISTINCT hash({key}))
)

SELECT resolution, bucket_start
FROM buckets
QUALIFY sum(found) OVER (ORDER BY bucket_start, resolution ROWS UNBOUNDED PRECEDING) - found < $max_rows
