-- Purpose: feedback of a stretch of time on stored requests, to be read whole by `feedback_rows`.
-- Grain: one row per feedback event, the newest given.
-- Parameters: $negative, which ones; $from and $to, when they were given; $until, before which somebody may have thought
--   better of it; $asked, before which no request is looked for; $least_id
--   and $greatest_id, between which the ids of the requests are; $prompt, $version, $environment, $app, $model, null for
--   all; $after_time and $after_id of the last row of the page before, null for the first; $limit.
--   And $among, patterns of which the prompt matches one (null: any).
-- Units: times UTC. A unit's last thumb and last rating on a request count, as in rollups; a correction always does.
WITH said AS (
    SELECT
        feedback_id,
        request_id,
        event_time,
        coalesce(
            correction IS NOT NULL
            OR (thumbs = 'down' AND NOT EXISTS (
                SELECT 1 FROM feedback AS later
                WHERE later.event_time >= $from AND later.event_time < $until
                    AND later.request_id = given.request_id
                    AND later.unit_id IS NOT DISTINCT FROM given.unit_id
                    AND later.thumbs IS NOT NULL
                    AND (later.event_time, later.feedback_id) > (given.event_time, given.feedback_id)
            ))
            OR (rating <= 1 AND NOT EXISTS (
                SELECT 1 FROM feedback AS later
                WHERE later.event_time >= $from AND later.event_time < $until
                    AND later.request_id = given.request_id
                    AND later.unit_id IS NOT DISTINCT FROM given.unit_id
                    AND later.rating IS NOT NULL
                    AND (later.event_time, later.feedback_id) > (given.event_time, given.feedback_id)
            )),
            FALSE
        ) AS negative
    FROM feedback AS given
    WHERE event_time >= $from AND event_time < $to
        AND ($after_id IS NULL OR event_time < $after_time OR feedback_id > $after_id)
)
SELECT said.feedback_id, said.request_id, said.event_time, requests.event_time AS requested_at, negative
FROM said
-- Ids begin with their time: these bounds spare the reading of most files.
JOIN requests
    ON requests.request_id = said.request_id
    AND requests.request_id >= $least_id
    AND requests.request_id <= $greatest_id
    AND requests.event_time >= $asked
WHERE negative = $negative
    AND ($prompt IS NULL OR prompt = $prompt)
    AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
    AND ($version IS NULL OR version = $version)
    AND ($environment IS NULL OR environment = $environment)
    AND ($app IS NULL OR requests.app = $app)
    AND ($model IS NULL OR coalesce(response_model, request_model) = $model)
ORDER BY said.event_time DESC, said.feedback_id
LIMIT $limit
