-- Purpose: the source of a registered version stays as it was given.
-- Grain: one function per schema. Parameters: none.
CREATE FUNCTION coalmine_registry_immutable_source() RETURNS trigger
LANGUAGE plpgsql AS
$$
BEGIN
    IF NEW.source::text IS DISTINCT FROM OLD.source::text THEN
        RAISE EXCEPTION '%@% is registered: a version is immutable', OLD.prompt, OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$
