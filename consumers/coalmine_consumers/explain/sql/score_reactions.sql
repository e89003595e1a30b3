-- Purpose: what scores of one name say of each request.
-- Grain: one row per request that has such a score.
-- Parameters: $name; reads asked, the requests in question: of others hardly anything is read.
-- Units: how many there are, and their sum in the score's own unit.
SELECT request_id, count(*) AS valued, sum(value) AS total
FROM scores
WHERE name = $name
  -- Ids begin with their time: these bounds spare the reading of most row groups.
  AND request_id >= (SELECT min(request_id) FROM asked)
  AND request_id <= (SELECT max(request_id) FROM asked)
GROUP BY request_id
