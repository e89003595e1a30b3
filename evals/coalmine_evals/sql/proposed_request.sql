-- Purpose: one request with what users said of it, to be proposed as a case.
-- Grain: one row if the request is stored, else none.
-- Parameters: $request_id.
-- Units: times UTC; given_at is when the last feedback came, or else when the request was made.
SELECT
    requests.request_id::VARCHAR AS request_id,
    coalesce(given.given_at, requests.event_time) AS given_at,
    prompt,
    version,
    environment,
    input_text,
    output_text,
    comment,
    correction,
    session_id,
    segments
FROM requests
LEFT JOIN (
    SELECT
        request_id,
        max(event_time) AS given_at,
        arg_max(comment, event_time) FILTER (comment <> '') AS comment,
        arg_max(correction, event_time) FILTER (correction <> '') AS correction
    FROM feedback
    WHERE request_id = $request_id::UUID
    GROUP BY request_id
) AS given ON given.request_id = requests.request_id
WHERE requests.request_id = $request_id::UUID
LIMIT 1
