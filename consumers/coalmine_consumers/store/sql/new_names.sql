-- Purpose: for which names that are new to the store there is room today. An app has room for some; of what
-- apps have room for, the day has room for some, and takes it from all apps by turns.
-- Grain: one row per kind and name that is not known.
-- Parameters: table arriving (kind, name, app); $day, a date; $most, new names of a kind in a day;
-- $most_of_app, those that events of one app bring.
WITH new AS (
    SELECT DISTINCT kind, name, app FROM arriving ANTI JOIN known_names USING (kind, name)
), today AS (
    SELECT kind, app, count(*) AS names FROM known_names WHERE first_seen = $day GROUP BY kind, app
), by_app AS (
    SELECT
        kind,
        name,
        app,
        row_number() OVER (PARTITION BY kind, app ORDER BY name) + coalesce(today.names, 0) AS place
    FROM new LEFT JOIN today USING (kind, app)
), first_place AS (
    SELECT kind, name, min(place) AS place, min_by(app, place) AS app FROM by_app GROUP BY kind, name
), total AS (
    SELECT kind, sum(names) AS names FROM today GROUP BY kind
)
SELECT
    kind,
    name,
    app,
    place <= $most_of_app
    AND row_number() OVER (PARTITION BY kind ORDER BY place, name) + coalesce(total.names, 0) <= $most
        AS is_admitted
FROM first_place LEFT JOIN total USING (kind)
