-- Purpose: how many messages were read according to the stored positions, which the ledger does not know.
-- Grain: one row.
-- Parameters: none.
-- Units: messages. Positions inside a gap were passed, never read; a log that was truncated moved back.
SELECT
    (SELECT coalesce(sum(next_offset - first_offset), 0) FROM source_positions)::BIGINT AS passed,
    (SELECT coalesce(sum(consumed), 0) FROM retired_positions)::BIGINT AS retired,
    (SELECT coalesce(sum(available_offset - expected_offset), 0) FROM gaps)::BIGINT AS skipped,
    (SELECT coalesce(sum(greatest(available_offset - expected_offset, 0)), 0) FROM gaps)::BIGINT AS lost
