-- Purpose: changes of who got a version: what its environment served of the prompt, while it was watched.
-- Grain: one row per change, oldest first.
-- Parameters: $prompt, $environment; $since, a time.
-- Units: times UTC.
SELECT event_time, version, "action"
FROM deployments
WHERE prompt = $prompt AND environment = $environment AND event_time >= $since
ORDER BY event_time, revision
