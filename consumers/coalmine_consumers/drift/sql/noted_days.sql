-- Purpose: days that people have ignored in drift detection, or have made count again.
-- Grain: one row per prompt, environment (of_environment) and day, the latest act about it.
-- Parameters: $prompts, $versions, $environments: lists, of each version one item in each.
-- Units: acted_at UTC.
WITH keys AS (
    SELECT DISTINCT prompt, environment AS of_environment
    FROM (SELECT unnest($prompts) AS prompt, unnest($versions) AS version, unnest($environments) AS environment)
)
SELECT keys.of_environment, acts.*
FROM drift_ignored_days AS acts JOIN keys ON acts.prompt = keys.prompt
WHERE acts.environment IS NULL OR acts.environment = keys.of_environment
QUALIFY row_number() OVER (
    PARTITION BY acts.prompt, keys.of_environment, acts.day ORDER BY acts.acted_at DESC, acts.rowid DESC
) = 1
ORDER BY acts.day
