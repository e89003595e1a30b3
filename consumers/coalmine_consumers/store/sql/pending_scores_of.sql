-- Purpose: find early scores whose request has come.
-- Grain: one row per pending score about one of the requests.
-- Parameters: table arrived (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds.
SELECT
    arrived.position, pending.score_id, pending.request_id, pending.event_time, pending.name, pending.value
FROM pending_scores AS pending
JOIN arrived ON arrived.id = pending.request_id
WHERE pending.request_id BETWEEN $min_id AND $max_id
