-- Purpose: how many hot rows of one event each day has, to choose what to seal.
-- Grain: one row per UTC day of event_time.
-- Parameters: the table name is put in for {hot}.
SELECT
    CAST(event_time AT TIME ZONE 'UTC' AS DATE) AS day,
    count(*) AS rows,
    min(ingested_at) AS oldest_ingested_at,
    max(ingest_id) AS last_ingest_id
FROM {hot}
GROUP BY ALL
ORDER BY day
