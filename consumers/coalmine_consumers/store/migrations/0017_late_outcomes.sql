-- What version 2 of the scores event adds; null in rows and segments from before, and in every score of a request.
ALTER TABLE scores_hot ADD COLUMN unit_id VARCHAR;
ALTER TABLE scores_hot ADD COLUMN session_id VARCHAR;
ALTER TABLE scores_hot ADD COLUMN prompt VARCHAR;

-- Late outcomes, and the request each is attributed to. Grain: one row per outcome whose raw row is kept.
CREATE TABLE late_outcomes (
    score_id UUID NOT NULL,
    event_time TIMESTAMPTZ NOT NULL,
    app VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE NOT NULL,
    unit_id VARCHAR,                    -- whose it is, or
    session_id VARCHAR,                 -- which session's; of both, calls of this unit in this session
    prompt VARCHAR,                     -- whose calls it may count for; null: any
    ingest_id BIGINT NOT NULL,          -- the batch that stored it
    ingested_at TIMESTAMPTZ NOT NULL,
    open_since BIGINT,                  -- the batch that brought it, or a request it may belong to; null: settled
    request_id UUID,                    -- the last call before it, as it was settled last; null: none is known
    request_time TIMESTAMPTZ,           -- when that call began
    attributed_in BIGINT                -- the last batch that was known then
);
