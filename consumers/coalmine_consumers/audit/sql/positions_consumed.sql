-- Purpose: how many messages were read according to the stored positions, which the ledger does not know.
-- Grain: one row.
-- Parameters: none.
-- Units: messages. Positions inside a gap were passed, never read; a log that was truncated moved back. A topic
-- that was recreated has positions of its own: its gap passed nothing.
SELECT
    (SELECT coalesce(sum(next_offset - first_offset - skipped), 0) FROM source_positions)::BIGINT AS passed,
    (SELECT coalesce(sum(consumed), 0) FROM retired_positions)::BIGINT AS retired,
    coalesce(sum(available_offset - expected_offset) FILTER (WHERE reason <> 'recreated'), 0)::BIGINT AS unread,
    coalesce(sum(available_offset - expected_offset) FILTER (
        WHERE reason <> 'recreated' AND available_offset > expected_offset
    ), 0)::BIGINT AS lost,
    count(*) FILTER (WHERE reason = 'recreated') AS recreated
FROM gaps
