-- Purpose: how many units each arm of one experiment has seen.
-- Grain: one row per allocation epoch, arm and unit group.
-- Parameters: $experiment. As in cell_sums.sql.
-- Units: different units; a unit has a row for each batch it came with, until rows are folded.
SELECT
    coalesce(allocation_epoch, 0) AS epoch,
    variant AS arm,
    unit_group,
    count(DISTINCT unit_id) AS units
FROM experiment_units
WHERE experiment = $experiment AND variant IS NOT NULL
GROUP BY epoch, arm, unit_group
