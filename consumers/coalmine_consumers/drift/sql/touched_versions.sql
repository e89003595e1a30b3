-- Purpose: which versions had requests lately, so that their hours are summed up before raw rows expire.
-- Grain: one row per prompt, version and environment.
-- Parameters: $after and $through, ingest ids (after, through].
-- Units: none.
SELECT DISTINCT prompt, version, environment
FROM requests
WHERE ingest_id > $after AND ingest_id <= $through
ORDER BY ALL
