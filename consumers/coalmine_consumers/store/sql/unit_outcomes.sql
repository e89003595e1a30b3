-- Purpose: late outcomes of units, each within the window after its unit was first exposed to an experiment, and in the
--   arm where that was: all units are of one age, whatever brought some back.
-- Grain: one row per experiment, metric, allocation epoch, arm, unit group and moment at which units are old enough.
-- Parameters: {outcomes}, a relation with the columns of late_outcomes; $experiment, null: all; $names of outcomes
--   and $metrics, what cells call these; $window_us; $at, of units that are old enough then the moment is left out.
--   One of a session or a prompt counts if the last call of these was in the experiment; any other whatever its unit
--   called meanwhile. Of several first exposures at one microsecond that of the first epoch and arm is it.
-- Units: n outcomes, sum_y in the metric's unit, within the experiment's bounds.
WITH outcome AS (
    SELECT
        coalesce(unit_id, call_unit_id) AS unit_id,
        CASE WHEN session_id IS NOT NULL OR prompt IS NOT NULL THEN coalesce(call_experiment, '') END AS only_in,
        named.metric,
        event_time,
        value,
        ingest_id
    FROM {outcomes} AS outcome
    JOIN (SELECT unnest($names::VARCHAR[]) AS name, unnest($metrics::VARCHAR[]) AS metric) AS named USING (name)
),
unit AS (
    SELECT
        experiment,
        unit_id,
        any_value(unit_group) AS unit_group,
        min({{
            'at': coalesce(first_event_time, TIMESTAMPTZ '2000-01-01 00:00:00+00'),
            'epoch': coalesce(allocation_epoch, 0),
            'arm': variant
        }}) AS first
    FROM experiment_units
    WHERE ($experiment IS NULL OR experiment = $experiment) AND variant IS NOT NULL
      AND unit_id IN (SELECT unit_id FROM outcome)
    GROUP BY experiment, unit_id
),
counted AS (
    SELECT
        unit.experiment,
        outcome.metric,
        unit.first,
        unit.unit_group,
        unit.first.at + to_microseconds($window_us) AS matures_at,
        least(greatest(outcome.value, bound.low, -1e140), bound.high, 1e140) AS value  -- squares stay finite
    FROM outcome
    JOIN unit USING (unit_id)
    JOIN experiment_bounds AS bound ON bound.experiment = unit.experiment AND bound.metric = outcome.metric
    WHERE outcome.event_time BETWEEN unit.first.at AND unit.first.at + to_microseconds($window_us)
      AND (outcome.only_in IS NULL OR outcome.only_in = unit.experiment)
      AND bound.low IS NOT NULL
      -- First values, of which bounds were made, do not count.
      AND (bound.basis = 'declared' OR outcome.ingest_id > bound.since_ingest_id)
)
SELECT
    experiment,
    metric,
    first.epoch AS epoch,
    first.arm AS arm,
    unit_group,
    CASE WHEN matures_at > $at THEN matures_at END AS matures_at,
    count(*) AS n,
    sum(value) AS sum_y
FROM counted
GROUP BY ALL
ORDER BY ALL
