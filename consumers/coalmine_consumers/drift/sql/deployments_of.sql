-- Purpose: changes of who got a version: what its environment served of the prompt, while it was watched.
-- Grain: one row per version and change, oldest first.
-- Parameters: $prompts, $versions, $environments, $since: lists, of each version one item in each; since a time.
-- Units: times UTC.
WITH keys AS (
    SELECT
        unnest($prompts) AS prompt,
        unnest($versions) AS of_version,
        unnest($environments) AS environment,
        unnest($since::TIMESTAMPTZ[]) AS since
)
SELECT prompt, of_version, environment, event_time, version, "action"
FROM deployments JOIN keys USING (prompt, environment)
WHERE event_time >= since
ORDER BY event_time, revision
