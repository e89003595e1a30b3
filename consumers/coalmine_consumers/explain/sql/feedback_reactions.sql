-- Purpose: what people said of each request. A unit's last word on a request counts.
-- Grain: one row per request with feedback.
-- Parameters: none; reads asked, the requests in question: of others hardly anything is read.
-- Units: counts; rating_total in the rating's own unit.
SELECT
    request_id,
    count(*) AS feedback,
    count(*) FILTER (has_correction) AS corrections,
    count(thumbs) AS thumbs,
    count(*) FILTER (thumbs = 'up') AS thumbs_up,
    count(rating) AS ratings,
    coalesce(sum(rating), 0) AS rating_total
FROM (
    SELECT
        request_id,
        arg_max(thumbs, (event_time, feedback_id)) AS thumbs,
        arg_max(rating, (event_time, feedback_id)) AS rating,
        count(correction) > 0 AS has_correction
    FROM feedback
    -- Ids begin with their time: these bounds spare the reading of most row groups.
    WHERE request_id >= (SELECT min(request_id) FROM asked)
      AND request_id <= (SELECT max(request_id) FROM asked)
    GROUP BY request_id, unit_id
)
GROUP BY request_id
