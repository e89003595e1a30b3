-- Purpose: find which wanted ids hot feedback already hold.
-- Grain: one row per wanted id that is there.
-- Parameters: table wanted (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds.
SELECT wanted.position
FROM feedback_hot AS hot
JOIN wanted ON wanted.id = hot.feedback_id
WHERE hot.feedback_id BETWEEN $min_id AND $max_id
