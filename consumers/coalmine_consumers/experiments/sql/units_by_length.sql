-- Purpose: how many different units come in a time of some length.
-- Grain: one row per length.
-- Parameters: {requests}, a relation of raw requests whose experiment is the number of a window; $windows,
-- how many there are; $lengths, in windows.
-- Units: different units in that many windows in a row, on average.
WITH came AS (
    SELECT DISTINCT unit_id, experiment::INTEGER AS place FROM {requests}
), lengths AS (
    SELECT unnest($lengths::INTEGER[]) AS length
), counted AS (
    SELECT DISTINCT length, unit_id, place // length AS block
    FROM came JOIN lengths ON place < $windows // length * length
)
SELECT length, count(*) / ($windows // length) AS units
FROM counted
GROUP BY length
ORDER BY length
