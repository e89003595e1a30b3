-- Purpose: what rollups count, beside what the ledger says was stored.
-- Grain: one row.
-- Parameters: none.
-- Units: events. Days only: they are kept longest, and every resolution counts every event once.
SELECT
    (SELECT coalesce(sum(requests), 0) FROM rollups WHERE resolution = 'day')::BIGINT AS requests,
    (SELECT coalesce(sum(feedback), 0) FROM rollups WHERE resolution = 'day')::BIGINT AS feedback,
    (SELECT coalesce(sum(requests), 0) FROM expired_rollups)::BIGINT AS expired_requests,
    (SELECT coalesce(sum(feedback), 0) FROM expired_rollups)::BIGINT AS expired_feedback,
    (SELECT coalesce(sum(stored), 0) FROM batches WHERE event = 'requests')::BIGINT AS stored_requests,
    (SELECT coalesce(sum(stored), 0) FROM batches WHERE event = 'feedback')::BIGINT AS stored_feedback,
    (SELECT count(*) FROM pending_feedback) AS pending_feedback,
    (SELECT count(*) FROM pending_scores) AS pending_scores,
    (SELECT count(*) FROM late_outcomes WHERE request_id IS NULL) AS pending_outcomes,
    (SELECT coalesce(sum(unattributed), 0) FROM expired_rows WHERE event = 'feedback')::BIGINT
        AS expired_unattributed_feedback,
    (SELECT coalesce(sum(unattributed), 0) FROM expired_rows WHERE event = 'scores')::BIGINT
        AS expired_unattributed_scores
