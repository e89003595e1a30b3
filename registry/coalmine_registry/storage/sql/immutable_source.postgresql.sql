-- Purpose: the source of a registered version stays as it was given.
-- Grain: one trigger. Parameters: none.
CREATE TRIGGER versions_immutable_source
BEFORE UPDATE ON versions
FOR EACH ROW EXECUTE FUNCTION coalmine_registry_immutable_source()
