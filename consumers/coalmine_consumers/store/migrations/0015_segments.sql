-- Purpose: experiments are judged in declared segments, too, and by what requests would have cost without a cache.

-- What the calls would have cost at the full price of every input token: null in rows from before, and where it
-- is not known.
ALTER TABLE requests_hot ADD COLUMN cost_uncached_nano_usd BIGINT;

-- Segment keys that experiments are counted by. Grain: one row per key and time that it was declared.
CREATE TABLE segment_keys (
    segment_key VARCHAR NOT NULL,
    since_ingest_id BIGINT NOT NULL,    -- requests of later batches are counted by it
    until_ingest_id BIGINT              -- through this one; null: still
);

-- Values of these keys that have cells of their own. Grain: one row per experiment, key and value.
CREATE TABLE experiment_segment_values (
    experiment VARCHAR NOT NULL,
    segment_key VARCHAR NOT NULL,
    segment_value VARCHAR NOT NULL
);

-- As experiment_cells, of the requests of a segment. Grain: as there, and per key and value.
CREATE TABLE experiment_segment_cells (
    experiment VARCHAR NOT NULL,
    allocation_epoch INTEGER,
    variant VARCHAR,
    segment_key VARCHAR NOT NULL,
    segment_value VARCHAR NOT NULL,     -- or (other)
    metric VARCHAR NOT NULL,
    unit_group INTEGER NOT NULL,
    n BIGINT NOT NULL,
    sum_x DOUBLE NOT NULL,
    sum_y DOUBLE NOT NULL,
    matures_at TIMESTAMPTZ
);

CREATE TABLE expired_segment_cells AS FROM experiment_segment_cells;
