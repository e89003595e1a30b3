-- Purpose: requests of experiments as cells, units and raw rows count them.
-- Grain: one row.
-- Parameters: {requests}, a relation of the raw requests there are.
-- Units: requests.
SELECT
    (SELECT coalesce(sum(n), 0) FROM experiment_cells WHERE metric = 'requests')::BIGINT AS cells,
    (SELECT coalesce(sum(requests), 0) FROM experiment_units)::BIGINT AS units,
    (SELECT coalesce(sum(n), 0) FROM expired_cells WHERE metric = 'requests')::BIGINT AS expired,
    (SELECT count(*) FROM {requests} WHERE experiment IS NOT NULL) AS raw
