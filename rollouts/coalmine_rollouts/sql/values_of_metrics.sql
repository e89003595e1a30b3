-- Purpose: which named values of some prompts still come, and how many came before.
-- Grain: one row per environment, prompt and name.
-- Parameters: $prompts; $since; $recent, where "lately" begins.
-- Units: counts of values, in the hour of their request.
SELECT
    environment,
    prompt,
    name,
    sum(n) FILTER (bucket_start < $recent) AS before,
    coalesce(sum(n) FILTER (bucket_start >= $recent), 0) AS lately
FROM rollup_metrics
WHERE resolution = 'minute' AND bucket_start >= $since AND list_contains($prompts, prompt)
GROUP BY environment, prompt, name
