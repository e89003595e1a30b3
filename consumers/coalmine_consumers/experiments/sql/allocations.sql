-- Purpose: how units were to be split among an experiment's arms, as deployments say.
-- Grain: one row per allocation epoch: its latest change.
-- Parameters: $experiment.
-- Units: weights in any scale.
WITH changes AS (
    SELECT event_time, revision, unnest(experiments) AS running
    FROM deployments
)

SELECT coalesce(running.allocation_epoch, 0) AS epoch, arg_max(running.arms, (event_time, revision)) AS arms
FROM changes
WHERE running.name = $experiment AND len(running.arms) > 0
GROUP BY epoch
ORDER BY epoch
