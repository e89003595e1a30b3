-- Purpose: of a registered version only the status may change.
-- Grain: one trigger. Parameters: none.
CREATE TRIGGER versions_immutable
BEFORE UPDATE OF id, prompt, version, precedence, content, digest, classification, author, created_at
ON versions
BEGIN
    SELECT RAISE(ABORT, 'a registered version is immutable');
END
