-- Purpose: say whether raw feedback or scores are about requests that stay.
-- Grain: one row.
-- Parameters: {reactions} and {requests}, relations of raw rows; $min_id and $max_id, bounds of the request
--   ids that {reactions} name, with which DuckDB skips row groups.
SELECT count(*) AS found
FROM {reactions} AS reaction
SEMI JOIN (
    SELECT request_id FROM {requests} WHERE request_id BETWEEN $min_id AND $max_id
) AS request ON request.request_id = reaction.request_id
