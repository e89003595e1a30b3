-- Purpose: how many units each arm of one experiment has seen since a moment.
-- Grain: one row per allocation epoch, arm and unit group.
-- Parameters: $experiment; $since, units whose last request is older do not count.
-- Units: different units; a unit has a row for each batch it came with, until rows are folded.
SELECT epoch, arm, unit_group, count(*) AS units
FROM (
    SELECT
        coalesce(allocation_epoch, 0) AS epoch,
        variant AS arm,
        any_value(unit_group) AS unit_group
    FROM experiment_units
    WHERE experiment = $experiment AND variant IS NOT NULL
    GROUP BY unit_id, epoch, arm
    HAVING max(last_event_time) >= $since
)
GROUP BY epoch, arm, unit_group
