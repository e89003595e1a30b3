-- Purpose: how many rows the buckets of a rollup table have, to fold some of them at a time.
-- Grain: one row per resolution and bucket, oldest first.
-- Parameters: {source}, a table shaped like a rollup table, and {key}, its columns that tell the rows of one
--   bucket apart.
SELECT resolution, bucket_start, count(*) AS rows, count(*) - count(DISTINCT hash({key})) AS extra_rows
FROM {source}
GROUP BY resolution, bucket_start
ORDER BY bucket_start, resolution
