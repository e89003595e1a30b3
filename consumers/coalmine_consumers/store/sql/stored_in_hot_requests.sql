-- Purpose: find which wanted ids hot requests already hold.
-- Grain: one row per wanted id that is there.
-- Parameters: table wanted (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds.
SELECT wanted.position
FROM requests_hot AS hot
JOIN wanted ON wanted.id = hot.request_id
WHERE hot.request_id BETWEEN $min_id AND $max_id
