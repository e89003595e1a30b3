"""What the tables of the store mean, column by column, for the data dictionary.

Columns of raw rows have their meaning in the Avro schemas, which these do not repeat.
"""

from collections.abc import Mapping
from typing import Final

_ROLLUP_KEYS: Final = {
    "resolution": "`minute`, `hour` or `day`. Each event counts once at each: choose one, or numbers "
    "are threefold.",
    "bucket_start": "Start of the bucket, UTC.",
    "prompt": "Name of the prompt.",
    "version": "Version of the prompt.",
    "variant": "Arm of the experiment that chose the version; null where none did.",
    "environment": "Name of the environment.",
    "app": "Name of the application.",
    "model": "Model that answered: the response's name where there is one, else the request's.",
}

GRAINS: Final[Mapping[str, str]] = {
    "requests": "One row per LLM call, while raw rows are kept (`retention.raw_days`).",
    "feedback": "One row per feedback event, while raw rows are kept.",
    "scores": "One row per score of a request, and per late outcome, which has the id of the request it is "
    "attributed to, while raw rows are kept.",
    "rollups": "One row per resolution, bucket, prompt, version, arm, environment, app, model and "
    "appending batch: "
    "sum over rows of one key.",
    "rollup_histograms": "As rollups, and metric.",
    "rollup_metrics": "As rollups, and name, of requests' metrics and of scores.",
    "experiment_cells": "One row per experiment, epoch, arm, metric, unit group and appending batch: "
    "sum over rows "
    "of one key.",
    "deployments": "One row per change of what an environment serves of a prompt, as far as the "
    "collector has heard.",
    "batches": "One row per transaction of the collector and event: consumed = stored + duplicates + "
    "dead-lettered.",
    "gaps": "One row per span of positions that could not be read.",
}
"""What one row is."""

INGEST: Final[Mapping[str, str]] = {
    "cost_uncached_nano_usd": "Cost if nothing had come from the provider's cache, nano-USD (1e-9 USD).",
    "ingest_id": "Number of the batch that stored the row.",
    "ingested_at": "When that batch was committed, UTC.",
    "is_outcome": "True for a late outcome, with the `request_id` that it is attributed to, if there is one.",
}
"""Columns that the store adds to events."""

MEANINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "rollups": {
        **_ROLLUP_KEYS,
        "requests": "LLM calls.",
        "errors": "Calls that ended with an error.",
        "refusals": "Calls that the model refused to answer.",
        "input_tokens_known": "Calls that say how many tokens were sent.",
        "input_tokens": "Tokens sent, cached ones included.",
        "cached_input_tokens_known": "Calls that say how many of them were cached.",
        "cached_input_tokens": "Tokens sent that the provider had in its cache.",
        "output_tokens_known": "Calls that say how many tokens were received.",
        "output_tokens": "Tokens received.",
        "cost_known": "Calls whose cost is known.",
        "cost_nano_usd": "Their cost, nano-USD (1e-9 USD).",
        "cost_mean": "Mean cost of these calls, nano-USD.",
        "cost_m2": "Sum of squared deviations from that mean, nano-USD squared.",
        "latency_n": "Calls with a latency.",
        "latency_mean": "Mean latency, milliseconds.",
        "latency_m2": "Sum of squared deviations from that mean, milliseconds squared.",
        "ttft_n": "Calls with a time to first token.",
        "ttft_mean": "Mean time to first token, milliseconds.",
        "ttft_m2": "Sum of squared deviations from that mean, milliseconds squared.",
        "feedback": "Units' last words on calls of this bucket.",
        "thumbs_up": "Those with a thumb up.",
        "thumbs_down": "Those with a thumb down.",
        "rating_n": "Those with a rating.",
        "rating_mean": "Mean rating, in its own unit.",
        "rating_m2": "Sum of squared deviations from that mean.",
        "corrections": "Those with a correction.",
        "first_event_time": "Start of the first call, UTC; null where a row holds feedback only.",
        "last_event_time": "Start of the last call, UTC; null where a row holds feedback only.",
    },
    "rollup_histograms": {
        **_ROLLUP_KEYS,
        "metric": "`latency_ms`, `time_to_first_token_ms`, `cost_nano_usd`, `cost_uncached_nano_usd`, "
        "or a delay of "
        "feedback or scores.",
        "buckets": "Logarithmic buckets, ascending: i holds values up to (1.01 / 0.99)^i, in the "
        "metric's unit.",
        "counts": "Values in each of the buckets.",
    },
    "rollup_metrics": {
        **_ROLLUP_KEYS,
        "name": "Name of the metric or score.",
        "n": "Number of values.",
        "mean": "Their mean, in the metric's own unit.",
        "m2": "Sum of squared deviations from that mean.",
    },
    "experiment_cells": {
        "experiment": "Name of the experiment.",
        "allocation_epoch": "Epoch of its allocations, from 1.",
        "variant": "Arm of the experiment.",
        "metric": "Name of the metric.",
        "unit_group": "Group of units, 0 to 255, by a hash of the unit.",
        "n": "Events that contributed.",
        "sum_x": "Sum of the denominator: requests, ratings and the like.",
        "sum_y": "Sum of the numerator, in the metric's own unit.",
        "matures_at": "From when on it counts, UTC; null: at once.",
    },
    "deployments": {
        "environment": "Name of the environment.",
        "prompt": "Name of the prompt.",
        "revision": "Counts changes of this prompt in this environment, from 1.",
        "event_time": "When it changed, UTC.",
        "version": "Version served by default from then on; null: none.",
        "action": "What was done, for example `promote`.",
        "changed_by": "Subject of the token that made the change.",
        "reason": "Reason given for it, or null.",
        "experiments": "Experiments from then on, with arms, versions and weights (0 to 1).",
        "rollout": "Rollout that made the change, or null.",
        "rollout_decision": "Number of its decision, or null.",
        "ingest_id": INGEST["ingest_id"],
        "ingested_at": INGEST["ingested_at"],
    },
    "batches": {
        "ingest_id": "Number of the batch; of folded rows, of the last one.",
        "committed_at": "When it was committed, UTC.",
        "event": "Name of the event, or `unroutable`.",
        "consumed": "Messages read.",
        "stored": "Events stored.",
        "duplicates": "Events that were stored before.",
        "dead_lettered": "Messages that could not be stored.",
        "ahead_of_clock": "Stored events dated too far after `committed_at`.",
        "first_event_time": "Earliest time of the stored events, UTC.",
        "last_event_time": "Latest time of the stored events, UTC.",
        "id_xor": "All stored ids, combined by exclusive or: the audit compares it with the rows.",
        "first_ingest_id": "Number of the first batch that was folded into this row; null where none was.",
    },
    "gaps": {
        "topic": "Topic of the positions.",
        "partition": "Partition of the topic.",
        "expected_offset": "Next position to read before the gap.",
        "available_offset": "Position where reading went on.",
        "reason": "Why they could not be read.",
        "detected_at": "When that was noticed, UTC.",
        "ingest_id": "Number of the batch that recorded it.",
    },
}
"""What columns mean, by table."""
