-- Purpose: as facts_in_hot, from segments. The bounds let DuckDB skip row groups.
-- Grain: one row per wanted position whose request is in one of the files.
-- Parameters: segments, the column or a null in its place; table wanted (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds; $paths, files.
SELECT
    wanted.position,
    segment.event_time,
    segment.prompt,
    segment.version,
    segment.variant,
    segment.environment,
    segment.app,
    coalesce(segment.response_model, segment.request_model) AS model,
    segment.experiment,
    segment.allocation_epoch,
    segment.unit_group,
    segment.ingest_id,
    {segments} AS segments
FROM read_parquet($paths) AS segment
JOIN wanted ON wanted.id = segment.request_id
WHERE segment.request_id BETWEEN $min_id AND $max_id
