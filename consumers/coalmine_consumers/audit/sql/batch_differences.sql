-- Purpose: batches of which not as many rows are there as were stored.
-- Grain: one row per row of the ledger, which stands for one batch or for a run of them.
-- Parameters: {rows}, a relation of the rows there are; $event.
-- Units: rows; expired ones were removed by retention.
WITH booked AS (
    SELECT
        ingest_id,
        min(coalesce(first_ingest_id, ingest_id)) AS first_ingest_id,
        min(committed_at) AS committed_at,
        sum(stored)::BIGINT AS stored,
        min(first_event_time) AS first_event_time,
        max(last_event_time) AS last_event_time,
        any_value(id_xor) AS id_xor
    FROM batches
    WHERE event = $event
    GROUP BY ingest_id
),

counted AS (
    SELECT ingest_id, count(*) AS found, 0::BIGINT AS expired FROM {rows} GROUP BY ingest_id
    UNION ALL
    SELECT ingest_id, 0 AS found, sum(rows)::BIGINT AS expired
    FROM expired_rows
    WHERE event = $event
    GROUP BY ingest_id
),

there AS (
    SELECT
        CASE WHEN counted.ingest_id >= booked.first_ingest_id THEN booked.ingest_id ELSE counted.ingest_id END
            AS ingest_id,
        sum(counted.found)::BIGINT AS found,
        sum(counted.expired)::BIGINT AS expired
    FROM counted
    ASOF LEFT JOIN booked ON counted.ingest_id <= booked.ingest_id
    GROUP BY ALL
)

SELECT
    ingest_id,
    booked.first_ingest_id,
    booked.committed_at,
    coalesce(booked.stored, 0) AS stored,
    coalesce(there.expired, 0) AS expired,
    coalesce(there.found, 0) AS found,
    booked.first_event_time,
    booked.last_event_time,
    booked.id_xor
FROM booked
FULL JOIN there USING (ingest_id)
WHERE coalesce(booked.stored, 0) <> coalesce(there.expired, 0) + coalesce(there.found, 0)
ORDER BY ingest_id
