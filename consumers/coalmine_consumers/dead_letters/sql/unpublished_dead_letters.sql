-- Purpose: the next batch of dead letters to publish.
-- Grain: one row per dead letter that is not published, the oldest first.
-- Parameters: $letters, how many at most; $size_bytes, stop once this many payload bytes are taken (a first
--   letter that is larger comes alone); $refused, ids to leave out.
-- Units: bytes.
WITH waiting AS (
    FROM dead_letters
    WHERE published_at IS NULL AND dead_letter_id NOT IN (SELECT unnest($refused::UUID[]))
    ORDER BY dead_letter_id
    LIMIT $letters
),
measured AS (
    SELECT
        *,
        sum(octet_length(payload)) OVER (ORDER BY dead_letter_id ROWS UNBOUNDED PRECEDING)
            - octet_length(payload) AS bytes_before
    FROM waiting
)
SELECT * EXCLUDE (bytes_before)
FROM measured
WHERE bytes_before < $size_bytes
ORDER BY dead_letter_id;
