-- Purpose: store changes of deployments that are not stored yet; they come at least once.
-- Grain: one row per environment, prompt, revision and time of the change.
-- Parameters: $ingest_id the batch; $ingested_at when it is committed. Relation `arriving`: decoded events.
-- Units: times UTC.
INSERT INTO deployments BY NAME
SELECT DISTINCT ON (environment, prompt, revision, event_time)
    -- Writers of version 1 tell of one experiment only.
    arriving.* EXCLUDE (experiment, allocation_epoch, arms) REPLACE (
        CASE
            WHEN len(arriving.experiments) > 0 OR arriving.experiment IS NULL THEN arriving.experiments
            ELSE [{
                'name': arriving.experiment,
                'rule': NULL::VARCHAR,
                'allocation_epoch': arriving.allocation_epoch,
                'arms': arriving.arms
            }]
        END AS experiments
    ),
    $ingest_id AS ingest_id, $ingested_at AS ingested_at
FROM arriving
WHERE NOT EXISTS (
    SELECT 1
    FROM deployments AS known
    WHERE known.environment = arriving.environment
        AND known.prompt = arriving.prompt
        AND known.revision = arriving.revision
        AND known.event_time = arriving.event_time
)
