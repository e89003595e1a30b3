-- Purpose: find which wanted ids segments of an event already hold. The bounds let DuckDB skip row groups.
-- Grain: one row per wanted id that is there.
-- Parameters: table wanted (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds; $paths, files;
--   {id}, the event's id column.
SELECT wanted.position
FROM read_parquet($paths) AS segment
JOIN wanted ON wanted.id = segment.{id}
WHERE segment.{id} BETWEEN $min_id AND $max_id
