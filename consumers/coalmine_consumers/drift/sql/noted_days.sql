-- Purpose: days that people have ignored in drift detection, or have made count again.
-- Grain: one row per day, the latest act about it.
-- Parameters: $prompt, $environment.
-- Units: acted_at UTC.
SELECT *
FROM drift_ignored_days
WHERE prompt = $prompt AND (environment IS NULL OR environment = $environment)
QUALIFY row_number() OVER (PARTITION BY day ORDER BY acted_at DESC, rowid DESC) = 1
ORDER BY day
