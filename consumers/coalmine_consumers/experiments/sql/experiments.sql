-- Purpose: experiments that had requests.
-- Grain: one row per experiment.
-- Parameters: none.
-- Units: requests; epochs and arms are lists of values.
SELECT
    experiment,
    sum(n)::BIGINT AS requests,
    list_sort(list(DISTINCT coalesce(allocation_epoch, 0))) AS epochs,
    list_sort(list(DISTINCT variant) FILTER (variant IS NOT NULL)) AS arms
FROM experiment_cells
WHERE metric = 'requests'
GROUP BY experiment
ORDER BY experiment
