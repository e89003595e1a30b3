-- Purpose: all experiments that an environment runs on a prompt, where one was known; and the rollout that made
-- a change.
-- Grain: one row per change of what an environment serves of a prompt, as before. What is stored knows one experiment at most.
ALTER TABLE deployments ADD COLUMN experiments STRUCT(
    name VARCHAR,
    rule VARCHAR,
    allocation_epoch INTEGER,
    arms STRUCT(variant VARCHAR, version VARCHAR, weight DOUBLE)[]
)[];
ALTER TABLE deployments ADD COLUMN rollout VARCHAR;
ALTER TABLE deployments ADD COLUMN rollout_decision INTEGER;

UPDATE deployments
SET experiments = CASE
    WHEN experiment IS NULL THEN []
    ELSE [{
        'name': experiment,
        'rule': NULL::VARCHAR,
        'allocation_epoch': allocation_epoch,
        'arms': arms
    }]
END;

ALTER TABLE deployments ALTER COLUMN experiments SET NOT NULL;
ALTER TABLE deployments DROP COLUMN experiment;
ALTER TABLE deployments DROP COLUMN allocation_epoch;
ALTER TABLE deployments DROP COLUMN arms;
