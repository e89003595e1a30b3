-- Purpose: what maintenance must remember so that a rebuild and an audit stay exact after rows are gone.
-- Each of these tables adds, like rollups: several rows may share a key.

-- From when on raw rows of an event are complete. Grain: one row per event that lost days to retention.
-- Rollups of earlier days cannot be recomputed and are left as they are.
CREATE TABLE raw_kept_from (
    event VARCHAR NOT NULL,
    kept_from DATE NOT NULL
);

-- Rows that retention removed. Grain: one row per batch, event and run of retention.
CREATE TABLE expired_rows (
    ingest_id BIGINT NOT NULL,
    event VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    unattributed BIGINT NOT NULL        -- feedback or scores among them whose request never came
);

-- What requests that retention removed had added to experiment_cells and experiment_units, their
-- feedback and scores included. Grain: as those tables. A rebuild adds it to what it counts in raw rows.
CREATE TABLE expired_cells (
    experiment VARCHAR NOT NULL,
    allocation_epoch INTEGER,
    variant VARCHAR,
    metric VARCHAR NOT NULL,
    unit_group INTEGER NOT NULL,
    n BIGINT NOT NULL,
    sum_x DOUBLE NOT NULL,
    sum_y DOUBLE NOT NULL
);

CREATE TABLE expired_units (
    experiment VARCHAR NOT NULL,
    allocation_epoch INTEGER,
    variant VARCHAR,
    unit_group INTEGER NOT NULL,
    unit_id VARCHAR NOT NULL,
    requests BIGINT NOT NULL
);

-- Rollups that retention removed, at the resolution of days. Grain: one row per run of retention.
CREATE TABLE expired_rollups (
    kept_from TIMESTAMPTZ NOT NULL,     -- rows of buckets before it are gone
    requests BIGINT NOT NULL,
    feedback BIGINT NOT NULL
);

-- Dead letters that retention removed. Grain: one row per batch, event, status and run of retention.
CREATE TABLE expired_dead_letters (
    ingest_id BIGINT NOT NULL,
    event VARCHAR NOT NULL,
    status VARCHAR NOT NULL,            -- what it was when it was removed: open, replayed or discarded
    rows BIGINT NOT NULL
);

-- How often a dead letter was decoded again without success, and when it was last.
ALTER TABLE dead_letters ADD COLUMN attempts INTEGER DEFAULT 0;
ALTER TABLE dead_letters ADD COLUMN attempted_at TIMESTAMPTZ;

-- Where reading of a partition began, so that positions can be compared with the ledger.
ALTER TABLE source_positions ADD COLUMN first_offset BIGINT;

-- Positions consumed in partitions that are gone for good. Grain: one row per batch that retired some.
CREATE TABLE retired_positions (
    topic VARCHAR NOT NULL,
    partitions BIGINT NOT NULL,
    consumed BIGINT NOT NULL            -- sum of next_offset - first_offset
);
