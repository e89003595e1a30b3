-- Purpose: tell a topic from an earlier one of its name, and a loss from offsets that never held a message.
-- Grain: one row per partition of one topic.
ALTER TABLE source_positions ADD COLUMN topic_id VARCHAR DEFAULT '';    -- empty: spool, or not known yet
-- Of the offsets from first_offset to next_offset, those that never held a message: transaction markers,
-- aborted transactions, compaction. Until now they stood among the losses.
ALTER TABLE source_positions ADD COLUMN skipped BIGINT DEFAULT 0;
UPDATE source_positions AS stored SET skipped = (
    SELECT coalesce(sum(available_offset - expected_offset), 0)
    FROM gaps
    WHERE gaps.topic = stored.topic AND gaps."partition" = stored."partition" AND reason = 'skipped'
);
DELETE FROM gaps WHERE reason = 'skipped' AND (topic, "partition") IN (
    SELECT (topic, "partition") FROM source_positions
);
