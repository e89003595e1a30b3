-- Purpose: days that people have taken out of drift detection, as an outage or a holiday, and put back.
-- Grain: one row per act, appended and never changed; the latest act about a day holds.
CREATE TABLE drift_ignored_days (
    prompt VARCHAR NOT NULL,
    environment VARCHAR,                -- null: in all
    day DATE NOT NULL,                  -- UTC
    ignored BOOLEAN NOT NULL,           -- false: it counts again
    reason VARCHAR NOT NULL,
    acted_by VARCHAR NOT NULL,
    acted_at TIMESTAMPTZ NOT NULL
);
