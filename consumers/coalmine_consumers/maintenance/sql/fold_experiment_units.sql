-- Purpose: fold units that share a key into one row.
-- Grain: one row per experiment, epoch, arm and unit.
--   Experiments lie together, so that whoever reads one passes over the others.
-- Parameters: {source}, a table with the columns of experiment_units.
SELECT
    experiment, allocation_epoch, variant, unit_group, unit_id,
    sum(requests) AS requests,
    min(first_event_time) AS first_event_time,
    max(last_event_time) AS last_event_time
FROM {source}
GROUP BY experiment, allocation_epoch, variant, unit_group, unit_id
ORDER BY experiment
