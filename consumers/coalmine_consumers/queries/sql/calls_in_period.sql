-- Purpose: about how many raw calls a period has, before any is read.
-- Grain: one row.
-- Parameters: $since, $until, the period.
-- Units: calls; files that reach out of the period count in proportion.
SELECT
    coalesce(sum(rows * CASE
        WHEN max_event_time = min_event_time THEN 1
        ELSE epoch(least(max_event_time, $until::TIMESTAMPTZ) - greatest(min_event_time, $since::TIMESTAMPTZ))
            / epoch(max_event_time - min_event_time)
    END), 0)::BIGINT + (SELECT count(*) FROM requests_hot WHERE event_time >= $since AND event_time < $until) AS calls
FROM segments
WHERE event = 'requests' AND retired_at IS NULL AND max_event_time >= $since AND min_event_time < $until
