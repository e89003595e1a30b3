-- Purpose: move partitions on to where the next batch begins.
-- Grain: one row per partition.
-- Parameters: table moved (topic, partition, next_offset). Offsets are next to read.
MERGE INTO source_positions AS stored
USING moved ON stored.topic = moved.topic AND stored."partition" = moved."partition"
WHEN MATCHED THEN UPDATE SET next_offset = moved.next_offset
WHEN NOT MATCHED THEN INSERT (topic, "partition", next_offset)
    VALUES (moved.topic, moved."partition", moved.next_offset)
