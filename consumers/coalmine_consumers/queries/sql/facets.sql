-- Purpose: the values there are to choose from: the ones used last, where there are very many.
-- Grain: one row per prompt and version, per environment, per app and per model, and one for everything; other columns null.
-- Parameters: $most, rows of a kind; $among, patterns of which the prompt matches one (null: any).
-- Units: times UTC.
SELECT
    prompt,
    version,
    environment,
    app,
    model,
    min(first_event_time) AS first_event_time,
    max(last_event_time) AS last_event_time
FROM rollups
WHERE resolution = 'day'
  AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
GROUP BY GROUPING SETS ((prompt, version), (environment), (app), (model), ())
QUALIFY row_number() OVER (
    PARTITION BY grouping(prompt, environment, app, model)
    ORDER BY max(last_event_time) DESC, prompt, version, environment, app, model
) <= $most
ORDER BY prompt, version, environment, app, model
