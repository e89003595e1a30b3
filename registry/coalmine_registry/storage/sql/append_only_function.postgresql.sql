-- Purpose: refuse to change what is only ever added to; for the triggers of `append_only_trigger`.
-- Grain: one function per schema. Parameters: none.
CREATE FUNCTION coalmine_registry_append_only() RETURNS trigger
LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION '% is append-only: rows are neither changed nor deleted', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
