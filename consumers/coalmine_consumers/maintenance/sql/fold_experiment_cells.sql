-- Purpose: fold cells that share a key into one row.
-- Grain: one row per experiment, epoch, arm, metric and unit group, and per time of maturity that is still to come.
--   Experiments lie together, so that whoever reads one passes over the others.
-- Parameters: {source}, a table with the columns of experiment_cells.
SELECT
    experiment, allocation_epoch, variant, metric, unit_group,
    CASE WHEN matures_at > now() THEN matures_at END AS matures_at,
    sum(n) AS n,
    fsum(sum_x) AS sum_x,
    fsum(sum_y) AS sum_y
FROM {source}
GROUP BY ALL
HAVING sum(n) <> 0 OR min(n) = 0  -- else all that was added was taken back
ORDER BY experiment
