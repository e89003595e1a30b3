-- Purpose: the source of a registered version stays as it was given.
-- Grain: one trigger. Parameters: none.
CREATE TRIGGER versions_immutable_source
BEFORE UPDATE OF source
ON versions
BEGIN
    SELECT RAISE(ABORT, 'a registered version is immutable');
END
