-- Purpose: batches of which not as many rows are there as were stored.
-- Grain: one row per batch.
-- Parameters: {rows}, a relation of the rows there are; $event.
-- Units: rows; expired ones were removed by retention.
WITH there AS (
    SELECT ingest_id, count(*) AS found FROM {rows} GROUP BY ingest_id
),
gone AS (
    SELECT ingest_id, sum(rows)::BIGINT AS expired FROM expired_rows WHERE event = $event GROUP BY ingest_id
),
booked AS (
    SELECT
        ingest_id,
        min(committed_at) AS committed_at,
        sum(stored)::BIGINT AS stored,
        min(first_event_time) AS first_event_time,
        max(last_event_time) AS last_event_time,
        any_value(id_xor) AS id_xor
    FROM batches
    WHERE event = $event
    GROUP BY ingest_id
)
SELECT
    ingest_id,
    booked.committed_at,
    coalesce(booked.stored, 0) AS stored,
    coalesce(gone.expired, 0) AS expired,
    coalesce(there.found, 0) AS found,
    booked.first_event_time,
    booked.last_event_time,
    booked.id_xor
FROM booked
FULL JOIN there USING (ingest_id)
FULL JOIN gone USING (ingest_id)
WHERE coalesce(booked.stored, 0) <> coalesce(gone.expired, 0) + coalesce(there.found, 0)
ORDER BY ingest_id
