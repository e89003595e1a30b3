-- Purpose: puts aside which requests feedback and scores of batches are about.
-- Grain: one row per feedback and score.
-- Parameters: $after and $through, ingest ids (after, through]; $reacted_since and $reacted_until, as new_spans says,
-- so that not every row has to be looked at: an outcome may be attributed long after its batch, and is few.
-- Units: ids of requests.
CREATE TEMP TABLE new_reactions AS
SELECT request_id
FROM feedback
WHERE ingest_id > $after AND ingest_id <= $through
    AND event_time >= $reacted_since AND event_time <= $reacted_until
UNION ALL
SELECT request_id
FROM scores
WHERE NOT is_outcome AND ingest_id > $after AND ingest_id <= $through
    AND event_time >= $reacted_since AND event_time <= $reacted_until
UNION ALL
SELECT request_id FROM scores
WHERE is_outcome AND request_id IS NOT NULL AND ingest_id > $after AND ingest_id <= $through
