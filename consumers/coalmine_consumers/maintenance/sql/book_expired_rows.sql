-- Purpose: keep on counting rows that retention is about to remove, so that the ledger still balances.
-- Grain: one row per batch.
-- Parameters: {expiring}, a relation of raw rows; {id}, their id column; {pending}, the table of those that
--   wait for their request; $event.
INSERT INTO expired_rows (ingest_id, event, rows, unattributed)
SELECT expiring.ingest_id, $event, count(*), count(pending.{id})
FROM {expiring} AS expiring
LEFT JOIN {pending} AS pending ON pending.{id} = expiring.{id}
GROUP BY expiring.ingest_id
