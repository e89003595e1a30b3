-- Purpose: what people said of each request.
-- Grain: one row per request with feedback.
-- Parameters: none.
-- Units: counts; rating_total in the rating's own unit.
SELECT
    request_id,
    count(*) AS feedback,
    count(correction) AS corrections,
    count(thumbs) AS thumbs,
    count(*) FILTER (thumbs = 'up') AS thumbs_up,
    count(rating) AS ratings,
    coalesce(sum(rating), 0) AS rating_total
FROM feedback
GROUP BY request_id
