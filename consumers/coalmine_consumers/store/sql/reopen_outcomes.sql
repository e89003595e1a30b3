-- Purpose: open outcomes again that a new request may be the last call before.
-- Grain: one row per such outcome.
-- Parameters: table arrived (unit_id, session_id, event_time), new requests; $first, the earliest of their times;
--   $window_us; $ingest_id, the batch.
UPDATE late_outcomes SET open_since = $ingest_id
WHERE score_id IN (
    SELECT outcome.score_id
    FROM late_outcomes AS outcome
    JOIN arrived ON arrived.unit_id = outcome.unit_id
    WHERE outcome.event_time >= $first
      AND arrived.event_time BETWEEN outcome.event_time - to_microseconds($window_us) AND outcome.event_time
      AND (outcome.request_time IS NULL OR arrived.event_time >= outcome.request_time)
    UNION ALL
    SELECT outcome.score_id
    FROM late_outcomes AS outcome
    JOIN arrived ON arrived.session_id = outcome.session_id
    WHERE outcome.event_time >= $first
      AND outcome.unit_id IS NULL
      AND arrived.event_time BETWEEN outcome.event_time - to_microseconds($window_us) AND outcome.event_time
      AND (outcome.request_time IS NULL OR arrived.event_time >= outcome.request_time)
)
