-- Purpose: models that answered lately, and since when.
-- Grain: one row per environment and model, those with the most requests first.
-- Parameters: $since, the beginning of a day; $most, prompts that are named at most; $limit; $among, patterns of which the
--   prompt matches one (null: any).
-- Units: requests since then; times UTC.
WITH by_prompt AS (
    SELECT
        environment,
        model,
        prompt,
        coalesce(sum(requests) FILTER (bucket_start >= $since), 0)::BIGINT AS lately,
        min(first_event_time) AS first_seen,
        max(last_event_time) AS last_seen
    FROM rollups
    WHERE resolution = 'day' AND first_event_time IS NOT NULL
      AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
    GROUP BY ALL
)
SELECT
    environment,
    model,
    list(prompt ORDER BY lately DESC, prompt) FILTER (lately > 0) [1:$most] AS prompts,
    count(*) FILTER (lately > 0)::BIGINT AS prompts_in_all,
    sum(lately)::BIGINT AS requests,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen
FROM by_prompt
GROUP BY ALL
HAVING sum(lately) > 0
ORDER BY requests DESC, environment, model
LIMIT $limit
