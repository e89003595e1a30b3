-- Purpose: the cells of one experiment in each declared segment, as cell_sums.sql has them of all units.
-- Grain: one row per stored cell: those of one segment, metric, allocation epoch, arm and unit group add up.
-- Parameters: $experiment; $at; $metrics, names as in the cells; $keys, segment keys, all declared ones if empty.
-- Units: sum_x events, sum_y in the metric's unit.
SELECT
    segment_key,
    segment_value,
    metric,
    coalesce(allocation_epoch, 0) AS epoch,
    variant AS arm,
    unit_group,
    sum_x,
    sum_y
FROM experiment_segment_cells
WHERE experiment = $experiment AND variant IS NOT NULL AND (matures_at IS NULL OR matures_at <= $at)
  AND metric IN (SELECT unnest($metrics::VARCHAR[]))
  AND segment_key IN (SELECT segment_key FROM segment_keys WHERE until_ingest_id IS NULL)
  AND (len($keys::VARCHAR[]) = 0 OR list_contains($keys::VARCHAR[], segment_key))
