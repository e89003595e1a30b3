-- Purpose: thresholds of heavy-tailed measures, frozen for each experiment, so that its cells can count
-- capped values and values beyond a threshold. Grain: one row per experiment, measure and quantile.
CREATE TABLE experiment_references (
    experiment VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,            -- the measure: cost_nano_usd, latency_ms, time_to_first_token_ms
    quantile DOUBLE NOT NULL,           -- 0.995 caps values, 0.95 is the threshold to exceed
    value DOUBLE,                       -- in the measure's unit; null while too few values are known
    known BIGINT NOT NULL,              -- values it was taken from, or was to be taken from
    basis VARCHAR NOT NULL,             -- 'before' the experiment, or its 'first requests', which do not count
    first_ingest_id BIGINT NOT NULL,    -- the batch that brought the experiment's first request
    since_ingest_id BIGINT NOT NULL,    -- requests of later batches are counted by it
    frozen_at TIMESTAMPTZ NOT NULL
);

-- Purpose: what people were shown of an experiment, and when. Only ever appended to.
-- Grain: one row per look at an experiment.
CREATE TABLE experiment_looks (
    look_id BIGINT NOT NULL,            -- ascending over all experiments
    experiment VARCHAR NOT NULL,
    taken_at TIMESTAMPTZ NOT NULL,
    through_ingest_id BIGINT NOT NULL,  -- it saw all batches through this one
    requests BIGINT NOT NULL,           -- requests of the experiment it saw
    document VARCHAR NOT NULL           -- the readout, JSON
);
