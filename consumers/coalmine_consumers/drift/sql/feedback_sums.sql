-- Purpose: what feedback adds to the hours of a version's requests.
-- Grain: one row per hour of the request and unit group that had feedback.
-- Parameters: $prompt, $version, $environment; $since and $until, times of requests; $through, an ingest id.
-- Units: hours since 1970; counts, and the sum of ratings.
SELECT
    floor(epoch(request.event_time) / 3600)::BIGINT AS hour,
    request.unit_group,
    count(*) AS feedback,
    count(reaction.correction) AS corrections,
    count(reaction.thumbs) AS thumbs,
    count(*) FILTER (reaction.thumbs = 'up') AS thumbs_up,
    count(reaction.rating) AS ratings,
    coalesce(sum(reaction.rating), 0) AS rating
FROM requests AS request JOIN feedback AS reaction USING (request_id)
WHERE request.prompt = $prompt AND request.version = $version AND request.environment = $environment
    AND request.event_time >= $since AND request.event_time < $until
    AND request.ingest_id <= $through AND reaction.ingest_id <= $through
GROUP BY ALL
