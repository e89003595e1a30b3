-- Purpose: find early feedback whose request has come.
-- Grain: one row per pending feedback about one of the requests.
-- Parameters: table arrived (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds.
SELECT
    arrived.position, pending.feedback_id, pending.request_id, pending.unit_id, pending.event_time,
    pending.thumbs, pending.rating, pending.has_correction
FROM pending_feedback AS pending
JOIN arrived ON arrived.id = pending.request_id
WHERE pending.request_id BETWEEN $min_id AND $max_id
