-- Purpose: thumbs down, lowest ratings and corrections that came lately, with the requests that they are about.
-- Grain: one row per feedback whose request is known, newest first.
-- Parameters: $since; $now; $asked, before which no request is looked for; $limit.
-- Units: times UTC; ratings as they came, of which 1 or less is the lowest.
SELECT
    given.event_time AS "at",
    given.request_id::VARCHAR AS request_id,
    environment,
    prompt,
    version,
    coalesce(response_model, request_model) AS model,
    input_text AS question,
    output_text AS answer,
    comment,
    correction,
    segments
FROM (
    SELECT event_time, request_id, comment, correction
    FROM feedback
    WHERE event_time >= $since AND event_time < $now
        AND (thumbs = 'down' OR rating <= 1 OR correction IS NOT NULL)
    ORDER BY event_time DESC
    LIMIT $limit
) AS given
JOIN requests ON requests.request_id = given.request_id AND requests.event_time >= $asked
ORDER BY "at" DESC, given.request_id
