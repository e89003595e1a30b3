-- Purpose: how many different units each arm of one experiment has seen, in whatever epochs.
-- Grain: one row per arm.
-- Parameters: $experiment; $epochs, those that count; $since, units whose last request is older do not count, all
--   count if it is null.
-- Units: different units.
SELECT variant AS arm, count(DISTINCT unit_id) AS units
FROM experiment_units
WHERE experiment = $experiment AND variant IS NOT NULL
  AND list_contains($epochs::INTEGER[], coalesce(allocation_epoch, 0))
  AND ($since IS NULL OR last_event_time >= $since)
GROUP BY arm
