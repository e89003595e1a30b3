-- Purpose: a page of feedback on stored requests, to be read whole by `feedback_rows`.
-- Grain: one row per feedback event, negative ones first, then the newest.
-- Parameters: $since and $until of the feedback; $asked, before which no request is looked for; $prompt, $version,
--   $environment, $app, $model, null for all; $negative, null for either; the last row of the page before,
--   $after_negative, $after_time and $after_id, null for the first; $limit.
-- Units: times UTC. A unit's last thumb and last rating on a request count, as in rollups; a correction always does.
WITH said AS (
    SELECT
        feedback_id,
        request_id,
        event_time,
        coalesce((thumbs = 'down' AND last_thumb) OR (rating <= 1 AND last_rating) OR corrected, FALSE) AS negative
    FROM (
        SELECT
            feedback_id,
            request_id,
            event_time,
            thumbs,
            rating,
            correction IS NOT NULL AS corrected,
            row_number() OVER (PARTITION BY request_id, unit_id, thumbs IS NULL ORDER BY event_time DESC, feedback_id DESC)
                = 1 AS last_thumb,
            row_number() OVER (PARTITION BY request_id, unit_id, rating IS NULL ORDER BY event_time DESC, feedback_id DESC)
                = 1 AS last_rating
        FROM feedback
        WHERE event_time >= $since AND event_time < $until
    )
)
SELECT said.feedback_id, said.request_id, said.event_time, requests.event_time AS requested_at, negative
FROM said
JOIN requests ON requests.request_id = said.request_id AND requests.event_time >= $asked
WHERE ($negative IS NULL OR negative = $negative)
    AND ($prompt IS NULL OR prompt = $prompt)
    AND ($version IS NULL OR version = $version)
    AND ($environment IS NULL OR environment = $environment)
    AND ($app IS NULL OR requests.app = $app)
    AND ($model IS NULL OR coalesce(response_model, request_model) = $model)
    AND (
        $after_time IS NULL
        OR (NOT negative, -epoch_us(said.event_time), said.feedback_id)
            > (NOT $after_negative, -epoch_us($after_time::TIMESTAMPTZ), $after_id::UUID)
    )
ORDER BY negative DESC, said.event_time DESC, said.feedback_id
LIMIT $limit
