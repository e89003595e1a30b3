-- Purpose: how many units were first exposed where: each counts once in an experiment, whatever it saw later.
-- Grain: one row per unit group and place (an allocation epoch and an arm) that was the first of a unit.
-- Parameters: $experiment; $epochs and $arms, of each place, in the order in which places come first where a unit
--   was in several at the same microsecond; $exposed_before, of units first exposed until then late outcomes are known.
-- Units: different units. Time and place are one number, of which DuckDB finds the minimum several times faster than
--   of a pair; counted from 2000, before which no event is, it has room for 9,000 places until 2032.
WITH places AS (
    SELECT
        unnest($epochs::INTEGER[]) AS epoch,
        unnest($arms::VARCHAR[]) AS arm,
        unnest(range(len($epochs::INTEGER[]))) AS place
),
unit AS (
    SELECT
        any_value(unit_group) AS unit_group,
        min(
            (coalesce(epoch_us(first_event_time), 946684800000000) - 946684800000000)
            * len($epochs::INTEGER[]) + place
        ) AS first
    FROM experiment_units
    JOIN places ON epoch = coalesce(allocation_epoch, 0) AND arm = variant
    WHERE experiment = $experiment
    GROUP BY unit_id
)
SELECT
    first % len($epochs::INTEGER[]) AS place,
    unit_group,
    count(*) AS units,
    count(*) FILTER (
        first // len($epochs::INTEGER[]) <= epoch_us($exposed_before::TIMESTAMPTZ) - 946684800000000
    ) AS exposed
FROM unit
GROUP BY place, unit_group
