-- Purpose: of a registered version only the status may change.
-- Grain: one function per schema. Parameters: none.
CREATE FUNCTION coalmine_registry_immutable_version() RETURNS trigger
LANGUAGE plpgsql AS
$$
BEGIN
    IF (NEW.id, NEW.prompt, NEW.version, NEW.precedence, NEW.content::text, NEW.digest,
        NEW.classification::text, NEW.author, NEW.created_at)
       IS DISTINCT FROM
       (OLD.id, OLD.prompt, OLD.version, OLD.precedence, OLD.content::text, OLD.digest,
        OLD.classification::text, OLD.author, OLD.created_at)
    THEN
        RAISE EXCEPTION '%@% is registered: a version is immutable', OLD.prompt, OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$
