-- Purpose: keep the sum of what partitions held that are about to be forgotten.
-- Grain: one row per topic.
-- Parameters: table gone (topic, partition). Offsets are positions, consumed a number of positions.
INSERT INTO retired_positions (topic, partitions, consumed)
SELECT topic, count(*), sum(next_offset - first_offset)
FROM source_positions
SEMI JOIN gone USING (topic, "partition")
GROUP BY topic
