-- Purpose: which names are new to the store, and for which of them there is room today.
-- Grain: one row per kind and name that is not known.
-- Parameters: table arriving (kind, name); $day, a date; $most, new names of a kind in a day.
WITH new AS (
    SELECT DISTINCT kind, name FROM arriving ANTI JOIN known_names USING (kind, name)
), today AS (
    SELECT kind, count(*) AS names FROM known_names WHERE first_seen = $day GROUP BY kind
)
SELECT
    kind,
    name,
    row_number() OVER (PARTITION BY kind ORDER BY name) + coalesce(today.names, 0) <= $most AS is_admitted
FROM new LEFT JOIN today USING (kind)
