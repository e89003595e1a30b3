-- Purpose: what was said of requests lately, by scorers and by people: what may put a request into a queue.
-- Grain: one row per request and name, with the extremes of what was said.
-- Parameters: $after and $upto, batches of scores and feedback; $environments.
-- Units: thumbs, 1 up and 0 down; disagreement, largest less smallest score of one name by judges.
WITH said AS (
    SELECT request_id, name, value FROM scores
    WHERE ingest_id > $after AND ingest_id <= $upto
    UNION ALL
    SELECT request_id, 'rating', rating FROM feedback
    WHERE ingest_id > $after AND ingest_id <= $upto AND rating IS NOT NULL
    UNION ALL
    SELECT request_id, 'thumbs', (thumbs = 'up')::DOUBLE FROM feedback
    WHERE ingest_id > $after AND ingest_id <= $upto AND thumbs IS NOT NULL
),
judged AS (
    SELECT request_id, 'disagreement' AS name, max(value) - min(value) AS value
    FROM scores
    WHERE source = 'judge' AND request_id IN (SELECT request_id FROM said)
    GROUP BY request_id, scores.name
    HAVING count(*) > 1
),
extremes AS (
    SELECT request_id, name, min(value) AS smallest, max(value) AS largest
    FROM (FROM said UNION ALL FROM judged)
    GROUP BY request_id, name
)
SELECT
    request.request_id::VARCHAR AS request_id, environment, prompt, version, name, smallest, largest
FROM extremes
JOIN requests AS request USING (request_id)
WHERE list_contains($environments, environment) AND output_text IS NOT NULL
ORDER BY request_id, name
