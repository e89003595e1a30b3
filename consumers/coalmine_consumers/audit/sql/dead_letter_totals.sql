-- Purpose: dead letters there are, beside those the ledger counts.
-- Grain: one row.
-- Parameters: none.
-- Units: dead letters. A replayed one has become a row or a duplicate and left the ledger's count.
SELECT
    (SELECT count(*) FROM dead_letters WHERE status <> 'replayed') AS kept,
    (SELECT coalesce(sum(rows), 0) FROM expired_dead_letters WHERE status <> 'replayed')::BIGINT AS expired,
    (SELECT coalesce(sum(dead_lettered), 0) FROM batches)::BIGINT AS booked
