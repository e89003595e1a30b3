-- Purpose: the texts of some requests.
-- Grain: one row per request.
-- Parameters: $ids; $first and $last, the smallest and largest of them: files without any are left out.
-- Units: none.
SELECT request_id::VARCHAR AS request_id, input_text, output_text
FROM requests
WHERE request_id BETWEEN $first::UUID AND $last::UUID
  AND list_contains($ids, request_id::VARCHAR)
