-- Purpose: which versions had requests, of those a query is about.
-- Grain: one row per prompt and version.
-- Parameters: $pieces (list of resolution, since, until: disjoint periods, each read at one resolution);
--   $prompt, $version, $environment, $app, $model (null: any); $from_prompt (only this prompt and later ones, by
--   name; null: all); $enough (versions of prompts later than $from_prompt, after which no further prompt is
--   begun; null: all).
--   And $among, patterns of which the prompt matches one (null: any).
-- Units: none.
WITH matching AS (
    SELECT DISTINCT prompt, version
    FROM rollups
    JOIN (SELECT unnest($pieces, recursive := true)) AS piece
        ON rollups.resolution = piece.resolution
        AND bucket_start >= piece.since
        AND bucket_start < piece.until
    WHERE ($prompt IS NULL OR prompt = $prompt)
      AND ($among IS NULL OR list_bool_or([prompt GLOB each FOR each IN $among::VARCHAR[]]))
      AND ($version IS NULL OR version = $version)
      AND ($environment IS NULL OR environment = $environment)
      AND ($app IS NULL OR app = $app)
      AND ($model IS NULL OR model = $model)
      AND ($from_prompt IS NULL OR prompt >= $from_prompt)
), prompts AS (
    SELECT prompt, CASE WHEN prompt > coalesce($from_prompt, '') THEN count(*) ELSE 0 END AS versions
    FROM matching
    GROUP BY prompt
), counted AS (
    SELECT prompt, sum(versions) OVER (ORDER BY prompt) - versions AS earlier FROM prompts
)
SELECT prompt, version
FROM matching
JOIN counted USING (prompt)
WHERE $enough IS NULL OR earlier < $enough
