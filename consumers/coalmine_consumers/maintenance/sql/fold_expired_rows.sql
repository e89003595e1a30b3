-- Purpose: add up expired rows by the rows of the ledger their batches belong to.
-- Grain: one row per event and row of the ledger.
-- Parameters: none.
SELECT
    coalesce(booked.ingest_id, expired.ingest_id) AS ingest_id,
    expired.event,
    sum(expired.rows) AS rows,
    sum(expired.unattributed) AS unattributed
FROM expired_rows AS expired
ASOF LEFT JOIN batches AS booked ON booked.event = expired.event AND expired.ingest_id <= booked.ingest_id
GROUP BY ALL
