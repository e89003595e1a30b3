-- Purpose: fold cells that share a key into one row.
-- Grain: one row per experiment, epoch, arm, metric and unit group.
-- Parameters: {source}, a table with the columns of experiment_cells.
SELECT
    experiment, allocation_epoch, variant, metric, unit_group,
    sum(n) AS n,
    fsum(sum_x) AS sum_x,
    fsum(sum_y) AS sum_y
FROM {source}
GROUP BY experiment, allocation_epoch, variant, metric, unit_group
