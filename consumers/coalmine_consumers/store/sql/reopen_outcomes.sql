-- Purpose: open outcomes again that a new request may be the last call before.
-- Grain: one row per such outcome.
-- Parameters: table arrived (unit_id, session_id, event_time), new requests; $first, the earliest of their times;
--   $window_us; $ingest_id, the batch. Of new requests the last before an outcome decides: no earlier one can be its call.
UPDATE late_outcomes SET open_since = $ingest_id
WHERE score_id IN (
    SELECT outcome.score_id
    FROM (FROM late_outcomes WHERE event_time >= $first AND unit_id IS NOT NULL) AS outcome
    ASOF JOIN arrived ON arrived.unit_id = outcome.unit_id AND outcome.event_time >= arrived.event_time
    WHERE arrived.event_time >= outcome.event_time - to_microseconds($window_us)
      AND (outcome.request_time IS NULL OR arrived.event_time >= outcome.request_time)
    UNION ALL
    SELECT outcome.score_id
    FROM (FROM late_outcomes WHERE event_time >= $first AND unit_id IS NULL) AS outcome
    ASOF JOIN arrived ON arrived.session_id = outcome.session_id AND outcome.event_time >= arrived.event_time
    WHERE arrived.event_time >= outcome.event_time - to_microseconds($window_us)
      AND (outcome.request_time IS NULL OR arrived.event_time >= outcome.request_time)
)
