-- Purpose: store changes of deployments that are not stored yet; they come at least once.
-- Grain: one row per environment, prompt, revision and time of the change.
-- Parameters: $ingest_id the batch; $ingested_at when it is committed. Relation `arriving`: decoded events.
-- Units: times UTC.
INSERT INTO deployments BY NAME
SELECT DISTINCT ON (environment, prompt, revision, event_time)
    arriving.*, $ingest_id AS ingest_id, $ingested_at AS ingested_at
FROM arriving
WHERE NOT EXISTS (
    SELECT 1
    FROM deployments AS known
    WHERE known.environment = arriving.environment
        AND known.prompt = arriving.prompt
        AND known.revision = arriving.revision
        AND known.event_time = arriving.event_time
)
