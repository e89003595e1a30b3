-- Purpose: how units were to be split among an experiment's arms, as deployments say.
-- Grain: one row per allocation epoch: its latest change.
-- Parameters: $experiment.
-- Units: weights in any scale.
SELECT coalesce(allocation_epoch, 0) AS epoch, arg_max(arms, (event_time, revision)) AS arms
FROM deployments
WHERE experiment = $experiment AND len(arms) > 0
GROUP BY epoch
ORDER BY epoch
