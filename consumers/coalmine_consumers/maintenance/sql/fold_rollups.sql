-- Purpose: fold rollup rows that share a key into one.
-- Grain: one row per resolution, bucket and series.
-- Parameters: {source}, a table with the columns of rollups.
-- Units: as in rollups. Means and squared deviations merge around the common mean, without cancellation.
WITH centred AS (
    SELECT
        *,
        sum(cost_known * cost_mean) OVER same / nullif(sum(cost_known) OVER same, 0) AS cost_centre,
        sum(latency_n * latency_mean) OVER same / nullif(sum(latency_n) OVER same, 0) AS latency_centre,
        sum(ttft_n * ttft_mean) OVER same / nullif(sum(ttft_n) OVER same, 0) AS ttft_centre,
        sum(rating_n * rating_mean) OVER same / nullif(sum(rating_n) OVER same, 0) AS rating_centre
    FROM {source}
    WINDOW same AS (
        PARTITION BY resolution, bucket_start, prompt, version, variant, environment, app, model
    )
)
SELECT
    resolution,
    bucket_start,
    prompt,
    version,
    variant,
    environment,
    app,
    model,
    sum(requests) AS requests,
    sum(errors) AS errors,
    sum(refusals) AS refusals,
    sum(input_tokens_known) AS input_tokens_known,
    sum(input_tokens) AS input_tokens,
    sum(cached_input_tokens_known) AS cached_input_tokens_known,
    sum(cached_input_tokens) AS cached_input_tokens,
    sum(output_tokens_known) AS output_tokens_known,
    sum(output_tokens) AS output_tokens,
    sum(cost_known) AS cost_known,
    sum(cost_nano_usd) AS cost_nano_usd,
    sum(latency_n) AS latency_n,
    sum(ttft_n) AS ttft_n,
    sum(feedback) AS feedback,
    sum(thumbs_up) AS thumbs_up,
    sum(thumbs_down) AS thumbs_down,
    sum(rating_n) AS rating_n,
    sum(corrections) AS corrections,
    any_value(cost_centre) AS cost_mean,
    sum(cost_m2 + cost_known * (centred.cost_mean - cost_centre) ** 2) AS cost_m2,
    any_value(latency_centre) AS latency_mean,
    sum(latency_m2 + latency_n * (centred.latency_mean - latency_centre) ** 2) AS latency_m2,
    any_value(ttft_centre) AS ttft_mean,
    sum(ttft_m2 + ttft_n * (centred.ttft_mean - ttft_centre) ** 2) AS ttft_m2,
    any_value(rating_centre) AS rating_mean,
    sum(rating_m2 + rating_n * (centred.rating_mean - rating_centre) ** 2) AS rating_m2,
    min(first_event_time) AS first_event_time,
    max(last_event_time) AS last_event_time
FROM centred
GROUP BY resolution, bucket_start, prompt, version, variant, environment, app, model
