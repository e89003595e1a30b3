-- Purpose: write down what became of the messages of one event in one batch.
-- Grain: one row.
-- Parameters: one for each column of batches but first_ingest_id, which only folded rows have.
INSERT INTO batches (
    ingest_id, committed_at, event, consumed, stored, duplicates, dead_lettered, ahead_of_clock,
    first_event_time, last_event_time, id_xor
) VALUES (
    $ingest_id, $committed_at, $event, $consumed, $stored, $duplicates, $dead_lettered, $ahead_of_clock,
    $first_event_time, $last_event_time, $id_xor
)
