-- Purpose: what feedback adds to the hours of versions' requests. A unit's last word on a request counts.
-- Grain: one row per span, hour of the request and unit group that had feedback.
-- Parameters: $since and $until, times of requests; $through, an ingest id; $least_id and
-- $greatest_id, those of these requests, so that not every row has to be looked at; the table `spans`, as request_sums says.
-- Units: hours since 1970; counts, and the sum of ratings.
WITH word AS (
    SELECT
        number,
        floor(epoch(request.event_time) / 3600)::BIGINT AS hour,
        request.unit_group,
        arg_max(reaction.thumbs, (reaction.event_time, reaction.feedback_id)) AS thumbs,
        arg_max(reaction.rating, (reaction.event_time, reaction.feedback_id)) AS rating,
        count(reaction.correction) > 0 AS has_correction
    FROM requests AS request
    JOIN spans USING (prompt, version, environment)
    JOIN feedback AS reaction USING (request_id)
    WHERE request.event_time >= $since AND request.event_time < $until
        AND request.event_time >= spans.since AND request.event_time < spans.until
        AND request.ingest_id <= $through AND reaction.ingest_id <= $through
        AND reaction.request_id >= $least_id::UUID AND reaction.request_id <= $greatest_id::UUID
    GROUP BY number, request_id, request.event_time, request.unit_group, reaction.unit_id
)
SELECT
    number,
    hour,
    unit_group,
    count(*) AS feedback,
    count(*) FILTER (has_correction) AS corrections,
    count(thumbs) AS thumbs,
    count(*) FILTER (thumbs = 'up') AS thumbs_up,
    count(rating) AS ratings,
    coalesce(sum(rating), 0) AS rating
FROM word
GROUP BY ALL
