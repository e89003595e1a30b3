-- Purpose: what became of all messages.
-- Grain: one row per event of the ledger.
-- Parameters: none.
-- Units: messages; times UTC.
SELECT
    event,
    sum(consumed)::BIGINT AS consumed,
    sum(stored)::BIGINT AS stored,
    sum(duplicates)::BIGINT AS duplicates,
    sum(dead_lettered)::BIGINT AS dead_lettered,
    sum(ahead_of_clock)::BIGINT AS ahead_of_clock,
    max(committed_at) AS last_commit_at
FROM batches
GROUP BY event
ORDER BY event
