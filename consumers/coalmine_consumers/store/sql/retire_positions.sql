-- Purpose: keep the sum of what partitions held that are about to be forgotten.
-- Grain: one row per topic.
-- Parameters: table gone (topic, partition, topic_id). Offsets are positions, consumed a number of messages.
INSERT INTO retired_positions (topic, partitions, consumed)
SELECT topic, count(*), sum(next_offset - first_offset - skipped)
FROM source_positions
SEMI JOIN gone USING (topic, "partition", topic_id)
GROUP BY topic
