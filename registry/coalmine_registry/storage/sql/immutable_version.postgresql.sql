-- Purpose: of a registered version only the status may change.
-- Grain: one trigger. Parameters: none.
CREATE TRIGGER versions_immutable
BEFORE UPDATE ON versions
FOR EACH ROW EXECUTE FUNCTION coalmine_registry_immutable_version()
