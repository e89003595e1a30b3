-- Purpose: what drift of a version is judged by. Raw rows expire, a frozen reference must not: so hours are
-- summed up while their raw rows are there, and the sums are kept.

-- Versions that are watched. Grain: one row per version of a prompt in an environment.
CREATE TABLE drift_versions (
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    first_hour TIMESTAMPTZ NOT NULL,    -- that of the first request there was a raw row of
    reference_until TIMESTAMPTZ,        -- end of the reference; null until it is frozen
    through_ingest_id BIGINT NOT NULL,  -- batches through this one are summed up
    cost_cap DOUBLE,                    -- nano-USD; thresholds are fixed once, null where too little was known
    latency_cap DOUBLE,                 -- ms
    latency_tail DOUBLE,                -- ms
    time_to_first_token_tail DOUBLE     -- ms
);

-- Sums of an hour over unit groups. Grain: one row per watched version, metric and hour with data.
CREATE TABLE drift_hours (
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,            -- as in experiment cells; requests: y requests per x units
    hour TIMESTAMPTZ NOT NULL,
    groups INTEGER NOT NULL,            -- unit groups with x > 0
    sum_x DOUBLE NOT NULL,
    sum_y DOUBLE NOT NULL,
    residual_ss DOUBLE NOT NULL         -- sum over unit groups of (y - R x)^2, R = sum_y / sum_x of the hour
);

-- Who was behind a day's sums. Grain: one row per watched version, metric and UTC day with data.
CREATE TABLE drift_days (
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    day TIMESTAMPTZ NOT NULL,           -- its first moment
    x DOUBLE[] NOT NULL,                -- 64 sums, over unit groups that leave the same rest divided by 64
    y DOUBLE[] NOT NULL
);

-- Which models answered. Grain: one row per watched version, hour, model asked for and model that answered.
CREATE TABLE drift_models (
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    hour TIMESTAMPTZ NOT NULL,
    request_model VARCHAR NOT NULL,
    response_model VARCHAR NOT NULL,
    requests BIGINT NOT NULL,
    first_event_time TIMESTAMPTZ NOT NULL
);
