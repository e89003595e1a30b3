-- Purpose: how far the store is, and the newest event among the requests that came since a batch, of whatever prompt.
-- Grain: one row.
-- Parameters: $after, the last batch that was read before; $since, older events are none; $now.
-- Units: ingest_id, the newest batch; 0 without any. watermark, a time, not later than now and a minute; null without.
SELECT
    coalesce(max(ingest_id), 0)::BIGINT AS ingest_id,
    max(least(last_event_time, $now::TIMESTAMPTZ + INTERVAL 1 MINUTE)) FILTER (
        event = 'requests' AND ingest_id > $after AND last_event_time >= $since
    ) AS watermark
FROM batches
