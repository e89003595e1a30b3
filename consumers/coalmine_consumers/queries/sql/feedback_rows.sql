-- Purpose: feedback with its request, whole.
-- Grain: one row per feedback event, in no order.
-- Parameters: $feedback_ids; $given_since and $given_until, between which they were given; $request_ids; $asked_since and
--   $asked_until, between which the requests were made. Both ends are included: they spare the reading of other files.
-- Units: times UTC; latency in ms; cost in nano-USD.
SELECT
    said.feedback_id,
    said.event_time,
    said.thumbs,
    said.rating,
    said.comment,
    said.correction,
    said.unit_id,
    asked.request_id,
    asked.event_time AS requested_at,
    asked.environment,
    asked.app,
    asked.prompt,
    asked.version,
    coalesce(asked.response_model, asked.request_model) AS model,
    asked.experiment,
    asked.variant,
    asked.latency_ms,
    asked.cost_nano_usd,
    asked.output_tokens,
    asked.segments
FROM (
    SELECT * FROM feedback
    WHERE event_time BETWEEN $given_since AND $given_until AND feedback_id IN (SELECT unnest($feedback_ids::UUID[]))
) AS said
JOIN (
    SELECT * FROM requests
    WHERE event_time BETWEEN $asked_since AND $asked_until AND request_id IN (SELECT unnest($request_ids::UUID[]))
) AS asked ON asked.request_id = said.request_id
