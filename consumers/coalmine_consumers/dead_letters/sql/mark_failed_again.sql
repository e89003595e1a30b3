-- Purpose: note why dead letters failed again.
-- Grain: one row per dead letter.
-- Parameters: table failed_again (id UUID, stage, reason, schema_ref); $attempted_at.
UPDATE dead_letters
SET
    stage = failed_again.stage,
    reason = failed_again.reason,
    schema_ref = failed_again.schema_ref,
    attempts = attempts + 1,
    attempted_at = $attempted_at
FROM failed_again
WHERE dead_letters.dead_letter_id = failed_again.id AND dead_letters.status = 'open'
