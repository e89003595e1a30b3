-- Purpose: name the units that outweigh an arm, for words about it.
-- Grain: one row per arm and unit with a large share of the arm's requests, the largest first.
-- Parameters: $experiment; $share, the least share; $limit, rows at most.
-- Units: requests; share from 0 to 1.
WITH unit AS (
    SELECT variant AS arm, unit_id, any_value(unit_group) AS unit_group, sum(requests)::BIGINT AS requests
    FROM experiment_units
    WHERE experiment = $experiment AND variant IS NOT NULL
    GROUP BY arm, unit_id
)
SELECT arm, unit_id, unit_group, requests, requests / sum(requests) OVER (PARTITION BY arm) AS share
FROM unit
QUALIFY share >= $share
ORDER BY share DESC, arm, unit_id
LIMIT $limit
