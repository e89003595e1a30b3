-- Purpose: since when and until when versions have had requests, as far as raw rows tell, and when each was old
-- enough to be watched: at the end of so many whole days with requests, so that one with a wrong clock is none.
-- Grain: one row per version of `keys` that has requests.
-- Parameters: $days, whole days with requests; the table `keys`: prompt, version, environment.
-- Units: times UTC; old_enough null where it is not yet.
WITH days AS (
    SELECT
        prompt,
        version,
        environment,
        time_bucket(INTERVAL 1 DAY, event_time) AS day,
        min(event_time) AS first,
        max(event_time) AS last
    FROM requests JOIN keys USING (prompt, version, environment)
    GROUP BY ALL
), lives AS (
    SELECT
        prompt,
        version,
        environment,
        time_bucket(INTERVAL 1 HOUR, min(first)) AS first_hour,
        max(last) AS last_event_time
    FROM days
    GROUP BY ALL
), whole AS (
    SELECT
        prompt,
        version,
        environment,
        day,
        row_number() OVER (PARTITION BY prompt, version, environment ORDER BY day) AS number
    FROM days JOIN lives USING (prompt, version, environment)
    WHERE day >= first_hour
)
SELECT
    prompt,
    version,
    environment,
    first_hour,
    last_event_time,
    old_enough
FROM lives LEFT JOIN (
    SELECT
        prompt,
        version,
        environment,
        least(day, TIMESTAMPTZ '9999-12-30 00:00:00+00') + INTERVAL 1 DAY AS old_enough
    FROM whole
    WHERE number = $days
) AS found USING (prompt, version, environment)
