-- Purpose: the cells of one experiment that its tests need.
-- Grain: one row per stored cell: those of one metric, allocation epoch, arm and unit group add up. Adding them
--   up here, by four columns of text, takes several times as long as reading them.
-- Parameters: $experiment; $at, late metrics count whose requests were old enough then. Requests without an arm are left out; an unknown epoch counts as epoch 0.
-- Units: sum_x events, sum_y in the metric's unit.
SELECT
    metric,
    coalesce(allocation_epoch, 0) AS epoch,
    variant AS arm,
    unit_group,
    sum_x,
    sum_y
FROM experiment_cells
WHERE experiment = $experiment AND variant IS NOT NULL AND (matures_at IS NULL OR matures_at <= $at)
