-- Purpose: how many units each arm of one experiment has seen, and how many of those that had time to return did.
-- Grain: one row per allocation epoch, arm and unit group.
-- Parameters: $experiment; $aged_before, units first seen until then had time; $apart_s. As in cell_sums.sql.
-- Units: different units; a unit has a row for each batch it came with, until rows are folded. requests_of_aged
--   counts requests; most_requests those of heaviest, the unit of the group with most; returned, aged units with requests at least $apart_s seconds apart.
SELECT
    epoch,
    arm,
    unit_group,
    count(*) AS units,
    count(*) FILTER (is_aged) AS aged,
    coalesce(sum(requests) FILTER (is_aged), 0)::DOUBLE AS requests_of_aged,
    count(*) FILTER (is_aged AND seconds >= $apart_s) AS returned,
    arg_max(unit_id, (requests, unit_id)) AS heaviest,
    max(requests)::BIGINT AS most_requests
FROM (
    SELECT
        coalesce(allocation_epoch, 0) AS epoch,
        variant AS arm,
        unit_id,
        any_value(unit_group) AS unit_group,
        sum(requests) AS requests,
        coalesce(min(first_event_time) <= $aged_before, TRUE) AS is_aged,
        epoch(max(last_event_time)) - epoch(min(first_event_time)) AS seconds
    FROM experiment_units
    WHERE experiment = $experiment AND variant IS NOT NULL
    GROUP BY unit_id, epoch, arm
)
GROUP BY epoch, arm, unit_group
