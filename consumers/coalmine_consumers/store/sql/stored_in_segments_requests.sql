-- Purpose: find which wanted ids segments of requests already hold. The bounds let DuckDB skip row groups.
-- Grain: one row per wanted id that is there.
-- Parameters: table wanted (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds; $paths, files.
SELECT wanted.position
FROM read_parquet($paths) AS segment
JOIN wanted ON wanted.id = segment.request_id
WHERE segment.request_id BETWEEN $min_id AND $max_id
