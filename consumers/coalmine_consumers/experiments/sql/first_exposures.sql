-- Purpose: how many units were first exposed where: each counts once in an experiment, whatever it saw later.
-- Grain: one row per place (an allocation epoch and an arm) that was the first of a unit.
-- Parameters: $experiment; $epochs and $arms, of each place, in the order in which places come first where a unit
--   was in several at the same microsecond.
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
        min(
            (coalesce(epoch_us(first_event_time), 946684800000000) - 946684800000000)
            * len($epochs::INTEGER[]) + place
        ) AS first
    FROM experiment_units
    JOIN places ON epoch = coalesce(allocation_epoch, 0) AND arm = variant
    WHERE experiment = $experiment
    GROUP BY unit_id
)
SELECT first % len($epochs::INTEGER[]) AS place, count(*) AS units
FROM unit
GROUP BY place
