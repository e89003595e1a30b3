-- Purpose: what the ledger says became of the messages, and how many of its rows contradict themselves.
-- Grain: one row.
-- Parameters: none.
-- Units: messages; wrong_rows counts rows of the ledger.
SELECT
    coalesce(sum(consumed), 0)::BIGINT AS consumed,
    coalesce(sum(stored), 0)::BIGINT AS stored,
    coalesce(sum(duplicates), 0)::BIGINT AS duplicates,
    coalesce(sum(dead_lettered), 0)::BIGINT AS dead_lettered,
    count(*) FILTER (WHERE consumed <> stored + duplicates + dead_lettered) AS wrong_rows
FROM batches
