-- Purpose: what rollups and cells need to know of the requests that feedback and scores are about.
-- Grain: one row per wanted position whose request is hot.
-- Parameters: segments, the column or a null in its place; table wanted (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds.
SELECT
    wanted.position,
    hot.event_time,
    hot.prompt,
    hot.version,
    hot.variant,
    hot.environment,
    hot.app,
    coalesce(hot.response_model, hot.request_model) AS model,
    hot.experiment,
    hot.allocation_epoch,
    hot.unit_group,
    hot.ingest_id,
    {segments} AS segments
FROM requests_hot AS hot
JOIN wanted ON wanted.id = hot.request_id
WHERE hot.request_id BETWEEN $min_id AND $max_id
