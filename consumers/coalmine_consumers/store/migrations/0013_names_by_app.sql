-- Purpose: one app does not use up the new names that a day has for all.
-- Grain: one row per kind and name.
ALTER TABLE known_names ADD COLUMN app VARCHAR DEFAULT '';     -- whose event brought it; empty: not noted then
