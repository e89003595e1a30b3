-- Purpose: how many units each arm of one experiment has seen.
-- Grain: one row per allocation epoch, arm and unit group.
-- Parameters: $experiment. As in cell_sums.sql.
-- Units: different units; counted by their 64-bit hashes, of which two of a million are alike once in 10^7 times.
SELECT epoch, arm, unit_group, count(*) AS units
FROM (
    SELECT DISTINCT coalesce(allocation_epoch, 0) AS epoch, variant AS arm, unit_group, hash(unit_id) AS unit
    FROM experiment_units
    WHERE experiment = $experiment AND variant IS NOT NULL
)
GROUP BY epoch, arm, unit_group
