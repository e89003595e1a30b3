-- Purpose: what scores of one name say of each request.
-- Grain: one row per request that has such a score.
-- Parameters: $name.
-- Units: how many there are, and their sum in the score's own unit.
SELECT request_id, count(*) AS valued, sum(value) AS total
FROM scores
WHERE name = $name
GROUP BY request_id
