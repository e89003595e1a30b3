-- When a unit was first and last seen, so that it can be counted once, where it was first exposed, and so that
-- returning is judged only of units that had time to return. Null in rows from before: they count as the earliest,
-- and `coalmine rebuild` fills them in.
-- Grain: one row per experiment, epoch, arm, unit and appending batch, as before.
ALTER TABLE experiment_units ADD COLUMN first_event_time TIMESTAMPTZ;
ALTER TABLE experiment_units ADD COLUMN last_event_time TIMESTAMPTZ;
ALTER TABLE expired_units ADD COLUMN first_event_time TIMESTAMPTZ;
ALTER TABLE expired_units ADD COLUMN last_event_time TIMESTAMPTZ;
