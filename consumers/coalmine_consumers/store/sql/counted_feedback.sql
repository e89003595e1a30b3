-- Purpose: what was said before of some requests.
-- Grain: one row per feedback of an earlier batch about one of the requests.
-- Parameters: {reactions}, a relation of raw feedback; table about (id UUID, each once); $min_id and $max_id, its
--   bounds, with which DuckDB skips row groups; $ingest_id, the batch.
SELECT
    reaction.request_id, reaction.unit_id, reaction.feedback_id, reaction.event_time,
    reaction.thumbs, reaction.rating, reaction.correction IS NOT NULL AS has_correction
FROM {reactions} AS reaction
JOIN about ON about.id = reaction.request_id
WHERE reaction.request_id BETWEEN $min_id AND $max_id
  AND reaction.ingest_id < $ingest_id
