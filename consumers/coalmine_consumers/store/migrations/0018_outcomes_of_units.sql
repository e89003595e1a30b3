-- Outcomes of units are counted from the first exposure of each unit when sums are read, no longer in cells with the
-- age of the last call; cells keep them only once their raw rows have expired.
-- Whose call it was: of an outcome of a session or a prompt, the unit and experiment it may count for.
-- Grain: one row per outcome whose raw row is kept, as before.
ALTER TABLE late_outcomes ADD COLUMN call_unit_id VARCHAR;
ALTER TABLE late_outcomes ADD COLUMN call_experiment VARCHAR;   -- null: the call was in none, or none is known

DELETE FROM experiment_cells WHERE starts_with(metric, 'per_unit.');
DELETE FROM expired_cells WHERE starts_with(metric, 'per_unit.');

-- Looked up again: nothing moves, but what is new above is filled in.
UPDATE late_outcomes SET open_since = 0
WHERE open_since IS NULL AND request_id IS NOT NULL AND (session_id IS NOT NULL OR prompt IS NOT NULL);
