-- Purpose: move partitions on to where the next batch begins, and remember where each one began.
-- Grain: one row per partition.
-- Parameters: table moved (topic, partition, start_offset, next_offset). Offsets are next to read.
MERGE INTO source_positions AS stored
USING moved ON stored.topic = moved.topic AND stored."partition" = moved."partition"
WHEN MATCHED THEN UPDATE SET next_offset = moved.next_offset
WHEN NOT MATCHED THEN INSERT (topic, "partition", next_offset, first_offset)
    VALUES (moved.topic, moved."partition", moved.next_offset, moved.start_offset)
