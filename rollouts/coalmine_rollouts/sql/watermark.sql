-- Purpose: the newest event among requests that were stored since a batch, of whatever prompt.
-- Grain: one row.
-- Parameters: $after, the last batch that was read before; $since; $now.
-- Units: a time, not later than now and a minute; null without any.
SELECT max(least(event_time, $now::TIMESTAMPTZ + INTERVAL 1 MINUTE)) AS watermark
FROM requests
WHERE ingest_id > $after AND event_time >= $since
