-- Purpose: the versions that serve most now.
-- Grain: one row per prompt and environment, in that order.
-- Parameters: $environment (null: any); $among, patterns of which the prompt matches one (null: any);
-- $after_prompt and $after_environment, only what comes after these; $most, rows.
-- Units: none.
WITH days AS (
    SELECT prompt, environment, version, bucket_start, sum(requests) AS requests
    FROM rollups
    WHERE resolution = 'day'
        AND ($environment IS NULL OR environment = $environment)
        AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
        AND (prompt > $after_prompt OR (prompt = $after_prompt AND environment > $after_environment))
    GROUP BY ALL
), latest AS (
    SELECT prompt, environment, max(bucket_start) AS last_day FROM days GROUP BY ALL
), served AS (
    SELECT
        prompt,
        environment,
        version,
        sum(requests) AS requests,
        coalesce(sum(requests) FILTER (bucket_start >= last_day - INTERVAL 1 DAY), 0) AS lately
    FROM days JOIN latest USING (prompt, environment)
    GROUP BY ALL
    HAVING sum(requests) > 0
)
SELECT prompt, version, environment
FROM served
QUALIFY row_number() OVER (PARTITION BY prompt, environment ORDER BY lately DESC, requests DESC, version) = 1
ORDER BY prompt, environment
LIMIT $most
