-- Reactions are compared at equal age: what is said of a request counts once the request is old enough for everybody
-- to have said it.
-- Grain: one row per key and batch as before, and per bucket of request times while these are young.
ALTER TABLE experiment_cells ADD COLUMN matures_at TIMESTAMPTZ;     -- counts from then on; null: at once
ALTER TABLE expired_cells ADD COLUMN matures_at TIMESTAMPTZ;

-- Bounds of the values of a name, frozen for each experiment. Grain: one row per experiment and metric of the cells.
CREATE TABLE experiment_bounds (
    experiment VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    low DOUBLE,                         -- values below it count as much as it; null while too few are known
    high DOUBLE,
    basis VARCHAR NOT NULL,             -- 'declared', or 'first values', which do not count
    since_ingest_id BIGINT NOT NULL,    -- values that later batches bring are counted
    frozen_at TIMESTAMPTZ NOT NULL
);

-- First values of a name without bounds; removed when there are enough of them. Grain: one row per value.
CREATE TABLE experiment_first_values (
    experiment VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    value DOUBLE NOT NULL
);
