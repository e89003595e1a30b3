-- Purpose: when an environment began to serve something else, to be marked on charts.
-- Grain: one row per change of a deployment, oldest first.
-- Parameters: $prompt, $environment (null leaves one open), $since, $until, $limit.
--   And $among, patterns of which the prompt matches one (null: any).
-- Units: times UTC.
SELECT
    event_time, environment, prompt, revision, version, experiments, "action", changed_by, reason, rollout,
    rollout_decision
FROM deployments
WHERE ($prompt IS NULL OR prompt = $prompt)
    AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
    AND ($environment IS NULL OR environment = $environment)
    AND ($since IS NULL OR event_time >= $since)
    AND ($until IS NULL OR event_time < $until)
QUALIFY row_number() OVER (ORDER BY event_time DESC, environment, prompt, revision DESC) <= $limit
ORDER BY event_time, environment, prompt, revision
