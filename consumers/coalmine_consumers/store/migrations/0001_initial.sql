-- Purpose: every table of a store as it was first published.
-- Migrations are append-only: a published file never changes, a change is a new file with the next number.
--
-- Three rules hold for all tables:
--   * Hot rows and Parquet segments hold raw events; everything else is small and lives here.
--   * Rollup and cell tables are additive: a batch appends rows, several rows may share a key, and a
--     reader sums over them. Folding rows of one key into one changes no answer.
--   * Rollups are kept at three resolutions and EVERY event is counted once at EACH of them. A reader
--     picks one resolution for a stretch of time; ageing just deletes finer rows (see rollup_kept_from).
--
-- Times are UTC. Money is nano-USD. Durations are milliseconds. No indexes: the tables are small or
-- only scanned, and DuckDB's indexes make appends dear.

-- Raw events not yet in a segment. Grain: one row per event. Columns as in the Avro schemas, with ids
-- as UUID and maps as lists of pairs (DuckDB checks the keys of a MAP for uniqueness, which is slow).
CREATE TABLE requests_hot (
    request_id UUID NOT NULL,
    event_time TIMESTAMPTZ NOT NULL,
    app VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    label VARCHAR,
    variant VARCHAR,
    experiment VARCHAR,
    allocation_epoch INTEGER,
    unit_group INTEGER NOT NULL,
    resolution VARCHAR NOT NULL,
    unit_id VARCHAR NOT NULL,
    session_id VARCHAR,
    trace_id VARCHAR,
    parent_request_id VARCHAR,
    provider VARCHAR,
    request_model VARCHAR NOT NULL,
    response_model VARCHAR,
    input_tokens BIGINT,
    cached_input_tokens BIGINT,
    output_tokens BIGINT,
    cost_nano_usd BIGINT,
    latency_ms DOUBLE NOT NULL,
    time_to_first_token_ms DOUBLE,
    finish_reason VARCHAR,
    error_type VARCHAR,
    metrics STRUCT("key" VARCHAR, "value" DOUBLE)[],
    segments STRUCT("key" VARCHAR, "value" VARCHAR)[],
    input_text VARCHAR,
    output_text VARCHAR,
    client_version VARCHAR,
    ingest_id BIGINT NOT NULL,
    ingested_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE feedback_hot (
    feedback_id UUID NOT NULL,
    request_id UUID NOT NULL,
    event_time TIMESTAMPTZ NOT NULL,
    app VARCHAR NOT NULL,
    thumbs VARCHAR,
    rating DOUBLE,
    comment VARCHAR,
    correction VARCHAR,
    unit_id VARCHAR,
    metadata STRUCT("key" VARCHAR, "value" VARCHAR)[],
    ingest_id BIGINT NOT NULL,
    ingested_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE scores_hot (
    score_id UUID NOT NULL,
    request_id UUID NOT NULL,
    event_time TIMESTAMPTZ NOT NULL,
    app VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE NOT NULL,
    source VARCHAR NOT NULL,
    scorer VARCHAR,
    rationale VARCHAR,
    ingest_id BIGINT NOT NULL,
    ingested_at TIMESTAMPTZ NOT NULL
);

-- The manifest. Grain: one row per Parquet file; a file without a row here does not exist.
CREATE TABLE segments (
    segment_id UUID NOT NULL,
    event VARCHAR NOT NULL,             -- requests, feedback or scores
    path VARCHAR NOT NULL,              -- relative to the store's folder, with forward slashes
    day DATE NOT NULL,                  -- UTC day of every event_time in it
    rows BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    min_event_time TIMESTAMPTZ NOT NULL,
    max_event_time TIMESTAMPTZ NOT NULL,
    min_id UUID NOT NULL,               -- of the event's own id, which deduplication prunes by
    max_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    retired_at TIMESTAMPTZ,             -- not part of the data from then on
    retired_reason VARCHAR,             -- merged or retention
    deleted_at TIMESTAMPTZ              -- when its file was removed
);

-- Where each partition goes on. Grain: one row per partition.
CREATE TABLE source_positions (
    topic VARCHAR NOT NULL,
    "partition" VARCHAR NOT NULL,
    next_offset BIGINT NOT NULL         -- next to read
);

-- The ledger. Grain: one row per transaction and event; consumed = stored + duplicates + dead_lettered.
CREATE TABLE batches (
    ingest_id BIGINT NOT NULL,
    committed_at TIMESTAMPTZ NOT NULL,
    event VARCHAR NOT NULL,             -- an event, or unroutable
    consumed BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    duplicates BIGINT NOT NULL,
    dead_lettered BIGINT NOT NULL,
    ahead_of_clock BIGINT NOT NULL      -- stored rows whose event_time lay too far after committed_at
);

-- Positions that could not be read. Grain: one row per gap.
CREATE TABLE gaps (
    topic VARCHAR NOT NULL,
    "partition" VARCHAR NOT NULL,
    expected_offset BIGINT NOT NULL,
    available_offset BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    detected_at TIMESTAMPTZ NOT NULL,
    ingest_id BIGINT NOT NULL
);

-- Grain: one row per message that could not be stored.
CREATE TABLE dead_letters (
    dead_letter_id UUID NOT NULL,
    failed_at TIMESTAMPTZ NOT NULL,
    source_topic VARCHAR NOT NULL,
    source_partition VARCHAR NOT NULL,
    source_offset BIGINT NOT NULL,
    source_timestamp TIMESTAMPTZ,
    event VARCHAR NOT NULL,
    stage VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    schema_ref VARCHAR,
    payload BLOB NOT NULL,
    "key" BLOB,
    status VARCHAR NOT NULL DEFAULT 'open',     -- open, replayed or discarded
    published_at TIMESTAMPTZ,
    ingest_id BIGINT NOT NULL
);

-- Grain: one row per resolution, bucket, series (prompt .. model) and appending batch. Feedback counts
-- in the bucket and series of its request. Moments are (n, mean, m2), m2 = sum((x - mean)^2).
CREATE TABLE rollups (
    resolution VARCHAR NOT NULL,        -- minute, hour or day; each counts every event
    bucket_start TIMESTAMPTZ NOT NULL,
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    variant VARCHAR,
    environment VARCHAR NOT NULL,
    app VARCHAR NOT NULL,
    model VARCHAR NOT NULL,             -- the response's model, else the request's
    requests BIGINT NOT NULL DEFAULT 0,
    errors BIGINT NOT NULL DEFAULT 0,
    refusals BIGINT NOT NULL DEFAULT 0,
    input_tokens_known BIGINT NOT NULL DEFAULT 0,  -- requests whose count is known
    input_tokens HUGEINT NOT NULL DEFAULT 0,
    cached_input_tokens_known BIGINT NOT NULL DEFAULT 0,
    cached_input_tokens HUGEINT NOT NULL DEFAULT 0,
    output_tokens_known BIGINT NOT NULL DEFAULT 0,
    output_tokens HUGEINT NOT NULL DEFAULT 0,
    cost_known BIGINT NOT NULL DEFAULT 0,
    cost_nano_usd HUGEINT NOT NULL DEFAULT 0,
    cost_mean DOUBLE,                   -- nano-USD
    cost_m2 DOUBLE,
    latency_n BIGINT NOT NULL DEFAULT 0,
    latency_mean DOUBLE,                -- ms
    latency_m2 DOUBLE,
    ttft_n BIGINT NOT NULL DEFAULT 0,
    ttft_mean DOUBLE,                   -- ms, time to first token
    ttft_m2 DOUBLE,
    feedback BIGINT NOT NULL DEFAULT 0,
    thumbs_up BIGINT NOT NULL DEFAULT 0,
    thumbs_down BIGINT NOT NULL DEFAULT 0,
    rating_n BIGINT NOT NULL DEFAULT 0,
    rating_mean DOUBLE,
    rating_m2 DOUBLE,
    corrections BIGINT NOT NULL DEFAULT 0,
    first_event_time TIMESTAMPTZ,       -- of requests; null where a row holds feedback only
    last_event_time TIMESTAMPTZ
);

-- Histograms with logarithmic buckets (see histograms.py). Grain: as rollups, and metric
-- (latency_ms, time_to_first_token_ms, cost_nano_usd). counts[i] values fell into buckets[i].
CREATE TABLE rollup_histograms (
    resolution VARCHAR NOT NULL,
    bucket_start TIMESTAMPTZ NOT NULL,
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    variant VARCHAR,
    environment VARCHAR NOT NULL,
    app VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    buckets INTEGER[] NOT NULL,         -- ascending, each once
    counts BIGINT[] NOT NULL            -- same length
);

-- Values of requests' metrics maps and of scores. Grain: as rollups, and name.
CREATE TABLE rollup_metrics (
    resolution VARCHAR NOT NULL,
    bucket_start TIMESTAMPTZ NOT NULL,
    prompt VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    variant VARCHAR,
    environment VARCHAR NOT NULL,
    app VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    n BIGINT NOT NULL,
    mean DOUBLE NOT NULL,
    m2 DOUBLE NOT NULL
);

-- From when on a resolution is complete. Grain: one row per resolution that has lost old rows. Rows of
-- that resolution before kept_from (late events) are incomplete: readers skip them.
CREATE TABLE rollup_kept_from (
    resolution VARCHAR NOT NULL,
    kept_from TIMESTAMPTZ NOT NULL
);

-- Sums for the sequential tests. Grain: one row per experiment, epoch, arm, metric, unit group and
-- appending batch. The ratio of a metric is sum(sum_y) / sum(sum_x) over unit groups.
CREATE TABLE experiment_cells (
    experiment VARCHAR NOT NULL,
    allocation_epoch INTEGER,
    variant VARCHAR,
    metric VARCHAR NOT NULL,
    unit_group INTEGER NOT NULL,
    n BIGINT NOT NULL,                  -- events that contributed
    sum_x DOUBLE NOT NULL,              -- the denominator: requests, ratings ...
    sum_y DOUBLE NOT NULL               -- the numerator, in the metric's unit
);

-- Units seen. Grain: one row per experiment, epoch, arm, unit and appending batch.
CREATE TABLE experiment_units (
    experiment VARCHAR NOT NULL,
    allocation_epoch INTEGER,
    variant VARCHAR,
    unit_group INTEGER NOT NULL,
    unit_id VARCHAR NOT NULL,
    requests BIGINT NOT NULL
);

-- Feedback and scores whose request has not come. Grain: one row per event; removed when it comes.
CREATE TABLE pending_feedback (
    feedback_id UUID NOT NULL,
    request_id UUID NOT NULL,
    event_time TIMESTAMPTZ NOT NULL,
    thumbs VARCHAR,
    rating DOUBLE,
    has_correction BOOLEAN NOT NULL,
    ingest_id BIGINT NOT NULL
);

CREATE TABLE pending_scores (
    score_id UUID NOT NULL,
    request_id UUID NOT NULL,
    event_time TIMESTAMPTZ NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE NOT NULL,
    ingest_id BIGINT NOT NULL
);
