-- Purpose: what environments served when, so that charts can mark deployments.
-- Grain: one row per change of what an environment serves of a prompt. A registry made anew counts revisions
-- from the start again, so the time of the change belongs to what makes a row unique.
CREATE TABLE deployments (
    environment VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    revision BIGINT NOT NULL,
    event_time TIMESTAMPTZ NOT NULL,
    version VARCHAR,
    experiment VARCHAR,
    allocation_epoch INTEGER,
    arms STRUCT(variant VARCHAR, version VARCHAR, weight DOUBLE)[] NOT NULL,
    "action" VARCHAR NOT NULL,
    changed_by VARCHAR NOT NULL,
    reason VARCHAR,
    ingest_id BIGINT NOT NULL,
    ingested_at TIMESTAMPTZ NOT NULL
);
