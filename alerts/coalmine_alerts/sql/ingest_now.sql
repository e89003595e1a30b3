-- Purpose: how ingest stands at a moment.
-- Grain: one row.
-- Parameters: $now; $lately, where "lately" begins; $day, a day before; $waited, an hour before.
-- Units: messages, feedback; times UTC. Requests later than now are cut to it.
SELECT
    (SELECT max(committed_at) FROM batches WHERE committed_at <= $now) AS last_commit_at,
    (
        SELECT least(max(last_event_time), $now::TIMESTAMPTZ) FROM rollups
        WHERE resolution = 'hour' AND bucket_start >= $day AND bucket_start <= $now
    ) AS newest_event_at,
    (SELECT min(bucket_start) FROM rollups WHERE resolution = 'day') AS first_day,
    (
        SELECT coalesce(sum(consumed), 0)::BIGINT FROM batches WHERE committed_at > $lately AND committed_at <= $now
    ) AS consumed_lately,
    (
        SELECT coalesce(sum(dead_lettered), 0)::BIGINT FROM batches
        WHERE committed_at > $lately AND committed_at <= $now
    ) AS dead_lately,
    (
        SELECT coalesce(sum(feedback), 0)::BIGINT FROM rollups
        WHERE resolution = 'hour' AND bucket_start >= $day AND bucket_start < $now
    ) AS feedback,
    (
        SELECT count(*) FROM pending_feedback WHERE event_time >= $day AND event_time < $waited
    ) AS unattributed
