-- Purpose: move partitions on to where the next batch begins, and remember where each one began.
-- Grain: one row per partition.
-- Parameters: table moved (topic, partition, topic_id, start_offset, next_offset, skipped). Offsets are next to
-- read, skipped counts offsets.
MERGE INTO source_positions AS stored
USING moved ON stored.topic = moved.topic AND stored."partition" = moved."partition"
    AND stored.topic_id = moved.topic_id
WHEN MATCHED THEN UPDATE SET next_offset = moved.next_offset, skipped = stored.skipped + moved.skipped
WHEN NOT MATCHED THEN INSERT (topic, "partition", topic_id, next_offset, first_offset, skipped)
    VALUES (moved.topic, moved."partition", moved.topic_id, moved.next_offset, moved.start_offset, moved.skipped)
