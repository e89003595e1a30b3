-- Purpose: find which wanted ids the hot table of an event already holds.
-- Grain: one row per wanted id that is there.
-- Parameters: table wanted (id UUID, position BIGINT); $min_id and $max_id (UUID), its bounds; {event} and
--   {id}, the event and its id column.
SELECT wanted.position
FROM {event}_hot AS hot
JOIN wanted ON wanted.id = hot.{id}
WHERE hot.{id} BETWEEN $min_id AND $max_id
