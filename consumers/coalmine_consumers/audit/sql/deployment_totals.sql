-- Purpose: changes of deployments in the ledger and in their table.
-- Grain: one row.
-- Parameters: none.
-- Units: events.
SELECT
    (SELECT coalesce(sum(stored), 0) FROM batches WHERE event = 'deployments')::BIGINT AS stored,
    (SELECT count(*) FROM deployments) AS found
