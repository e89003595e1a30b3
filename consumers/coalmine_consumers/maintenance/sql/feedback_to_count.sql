-- Purpose: read the last words of raw feedback together with what rollups and cells need of their requests.
-- Grain: as last_words.sql, for feedback whose request is there and that batches in (after, through] attributed.
-- Parameters: segments, the requests' column or a null in its place; {requests} and {reactions}, relations of raw rows; in_time, a join that leaves out some; words stands for
--   last_words.sql over `said`; $after and $through, ingest ids.
WITH said AS (
    SELECT
        reaction.request_id, reaction.unit_id, reaction.feedback_id, reaction.event_time,
        reaction.thumbs, reaction.rating, reaction.correction IS NOT NULL AS has_correction,
        greatest(reaction.ingest_id, request.ingest_id) > $after AS is_new
    FROM {reactions} AS reaction
    JOIN {requests} AS request ON request.request_id = reaction.request_id
    {in_time}
    WHERE greatest(reaction.ingest_id, request.ingest_id) <= $through
)
SELECT
    request.event_time, request.prompt, request.version, request.variant, request.environment, request.app,
    coalesce(request.response_model, request.request_model) AS model,
    request.experiment, request.allocation_epoch, request.unit_group, request.ingest_id,
    {segments} AS segments,
    word.said, word.said_at, word.takes_back, word.thumbs, word.rating, word.has_correction
FROM ({words}) AS word
JOIN {requests} AS request ON request.request_id = word.request_id
