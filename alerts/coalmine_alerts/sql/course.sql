-- Purpose: a metric of a watched version over time.
-- Grain: one row per step that had values.
-- Parameters: $prompt, $version, $environment, $metric, as the sums name it; $since, $until; $step_h, hours of a step.
-- Units: place, steps since $since; value in the unit of the sums.
SELECT
    floor(epoch(hour - $since::TIMESTAMPTZ) / (3600 * $step_h))::BIGINT AS place,
    sum(sum_y) / sum(sum_x) AS value
FROM drift_hours
WHERE prompt = $prompt AND version = $version AND environment = $environment AND metric = $metric
    AND hour >= $since AND hour < $until
GROUP BY place
HAVING sum(sum_x) > 0
ORDER BY place
