-- Purpose: single figures on how ingest stands.
-- Grain: one row.
-- Parameters: none.
-- Units: events, messages, gaps, bytes of the database file.
SELECT
    (SELECT count(*) FROM dead_letters WHERE status = 'open') AS dead_letters_open,
    (SELECT count(*) FROM pending_feedback) AS unattributed_feedback,
    (SELECT count(*) FROM pending_scores) AS unattributed_scores,
    (SELECT count(*) FROM gaps) AS gaps_total,
    (SELECT sum(block_size * total_blocks)::BIGINT FROM pragma_database_size()) AS database_bytes
