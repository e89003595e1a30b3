-- Purpose: single figures on how ingest stands.
-- Grain: one row.
-- Parameters: none.
-- Units: events, messages, gaps.
SELECT
    (SELECT count(*) FROM dead_letters WHERE status = 'open') AS dead_letters_open,
    (SELECT count(*) FROM pending_feedback) AS unattributed_feedback,
    (SELECT count(*) FROM pending_scores) + (SELECT count(*) FROM late_outcomes WHERE request_id IS NULL)
        AS unattributed_scores,
    (SELECT count(*) FROM gaps) AS gaps_total,
    (SELECT path FROM duckdb_databases() WHERE database_name = current_database()) AS database_path
