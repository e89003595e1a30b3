-- Purpose: add up old rows of the ledger hour by hour.
-- Grain: one row per event and hour in which several old rows were committed. An hour is a run of
--   consecutive batches, also where the clock was set back: the latest time so far is what counts.
-- Parameters: $before, the hour from when on rows are kept apart.
WITH timed AS (
    SELECT
        *,
        date_trunc('hour', max(committed_at) OVER (PARTITION BY event ORDER BY ingest_id)) AS hour,
        replace(CAST(id_xor AS VARCHAR), '-', '') AS digits
    FROM batches
)

SELECT
    max(ingest_id) AS ingest_id,
    min(coalesce(first_ingest_id, ingest_id)) AS first_ingest_id,
    max(committed_at) AS committed_at,
    event,
    sum(consumed) AS consumed,
    sum(stored) AS stored,
    sum(duplicates) AS duplicates,
    sum(dead_lettered) AS dead_lettered,
    sum(ahead_of_clock) AS ahead_of_clock,
    min(first_event_time) AS first_event_time,
    max(last_event_time) AS last_event_time,
    CAST(
        format(
            '{:016x}{:016x}',
            bit_xor(CAST('0x' || left(digits, 16) AS UBIGINT)),
            bit_xor(CAST('0x' || right(digits, 16) AS UBIGINT))
        ) AS UUID
    ) AS id_xor
FROM timed
WHERE hour < $before
GROUP BY event, hour
HAVING count(*) > 1
