-- Purpose: read raw scores together with what rollups and cells need to know of their request.
-- Grain: one row per score whose request is there and that was attributed by a batch in (after, through].
-- Parameters: segments, the requests' column or a null in its place; {requests}, a relation of raw rows, and
--   {reactions}, one of scores and outcomes; $after and $through, ingest ids.
SELECT
    request.event_time, request.prompt, request.version, request.variant, request.environment, request.app,
    coalesce(request.response_model, request.request_model) AS model,
    request.experiment, request.allocation_epoch, request.unit_group, request.ingest_id,
    {segments} AS segments,
    greatest(reaction.ingest_id, request.ingest_id) AS attributed_in,
    reaction.is_outcome, FALSE AS takes_back,
    reaction.event_time AS said_at, reaction.name, reaction.value
FROM {reactions} AS reaction
JOIN {requests} AS request ON request.request_id = reaction.request_id
WHERE greatest(reaction.ingest_id, request.ingest_id) > $after
  AND greatest(reaction.ingest_id, request.ingest_id) <= $through
