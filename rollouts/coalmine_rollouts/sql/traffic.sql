-- Purpose: requests for some prompts that were stored since a batch, as far as rollouts look at them.
-- Grain: one row per environment, prompt, arm of an experiment, version, application, model and minute.
-- Parameters: $after, the last batch that was read before; $since; $now; $prompts.
-- Units: counts of requests; latency_ms is a sum. Times later than now and a minute are cut to that.
SELECT
    environment,
    prompt,
    experiment,
    coalesce(allocation_epoch, 0) AS epoch,
    variant AS arm,
    version,
    app,
    client_version,
    resolution,
    coalesce(response_model, request_model) AS model,
    time_bucket(INTERVAL 1 MINUTE, seen_at) AS minute,
    count(*) AS requests,
    count(error_type) AS errors,
    sum(latency_ms) AS latency_ms,
    max(seen_at) AS last_at
FROM (
    SELECT *, least(event_time, $now::TIMESTAMPTZ + INTERVAL 1 MINUTE) AS seen_at
    FROM requests
    WHERE ingest_id > $after AND event_time >= $since AND list_contains($prompts, prompt)
)
GROUP BY ALL
