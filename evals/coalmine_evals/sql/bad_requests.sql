-- Purpose: requests of a prompt that users were not content with, or said the right answer to.
-- Grain: one row per request, those with a correction first, then the newest.
-- Parameters: $prompt; $environment, null for all; $since and $until of the feedback; $asked, before which no
--   request is looked for; $known, ids of requests to leave out; $limit.
-- Units: times UTC; ratings as they came, of which 1 or less is the lowest.
SELECT
    given.request_id::VARCHAR AS request_id,
    given_at,
    version,
    environment,
    input_text,
    output_text,
    comment,
    correction,
    session_id,
    segments
FROM (
    SELECT
        request_id,
        max(event_time) AS given_at,
        arg_max(comment, event_time) FILTER (comment <> '') AS comment,
        arg_max(correction, event_time) FILTER (correction <> '') AS correction
    FROM feedback
    WHERE event_time >= $since AND event_time < $until
        AND (thumbs = 'down' OR rating <= 1 OR correction IS NOT NULL)
        AND request_id NOT IN (SELECT unnest($known)::UUID)
    GROUP BY request_id
) AS given
JOIN requests ON requests.request_id = given.request_id AND requests.event_time >= $asked
WHERE prompt = $prompt AND ($environment IS NULL OR environment = $environment)
ORDER BY correction IS NULL, given_at DESC, given.request_id
LIMIT $limit
