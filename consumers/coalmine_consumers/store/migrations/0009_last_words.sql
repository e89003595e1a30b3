-- A unit's last word on a request counts, so feedback that waits for its request says whose it is.
ALTER TABLE pending_feedback ADD COLUMN unit_id VARCHAR;
UPDATE pending_feedback SET unit_id = hot.unit_id
FROM feedback_hot AS hot WHERE hot.feedback_id = pending_feedback.feedback_id;

-- Names that are known, so that a store does not take any number of them. Grain: one row per kind and name.
CREATE TABLE known_names (
    kind VARCHAR NOT NULL,              -- app, environment, prompt, version, variant, experiment, model or metric
    name VARCHAR NOT NULL,              -- of a version: prompt@version
    first_seen DATE NOT NULL            -- UTC day of the batch that brought it
);
INSERT INTO known_names
SELECT DISTINCT UNNEST([
    {kind: 'app', name: app}, {kind: 'environment', name: environment}, {kind: 'prompt', name: prompt},
    {kind: 'version', name: prompt || '@' || version}, {kind: 'variant', name: variant},
    {kind: 'model', name: model}
], recursive := true), DATE '1970-01-01'
FROM rollups WHERE resolution = 'day';
DELETE FROM known_names WHERE name IS NULL;
INSERT INTO known_names SELECT DISTINCT 'metric', name, DATE '1970-01-01' FROM rollup_metrics WHERE resolution = 'day';
INSERT INTO known_names SELECT DISTINCT 'experiment', experiment, DATE '1970-01-01' FROM experiment_units;

-- Events with a name that was one too many. Grain: one row per day, kind and appending batch.
CREATE TABLE names_beyond_limit (
    day DATE NOT NULL,                  -- UTC day of the batch
    kind VARCHAR NOT NULL,
    events BIGINT NOT NULL              -- whose name is stored as (other)
);
