"""Why a rollout does not go on for now: what is wrong with the measurement, or what looks wrong beside it.

A hold never keeps harm from being acted upon. It is released once its reason has been gone for two ticks and
half a minute, so that it does not flap.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from coalmine_analytics.results.verdicts import ACTING
from coalmine_rollouts.alike import LEAST_REQUESTS, models_differ, share_is_above
from coalmine_rollouts.harm import segment_words
from coalmine_rollouts.inputs import ArmTraffic, Held, Inputs, Row
from coalmine_rollouts.records import AppBehind
from coalmine_schemas.quantities import in_words

CLOCK_GOES_ON: Final = frozenset({"model_changed"})
"""Holds that last until the stage has had its time again."""

REFUSED: Final = "refused"
"""Hold that lasts until the registry allows the step, which is tried again now and then."""

_CLEAR_TICKS: Final = 2
_CLEAR_S: Final = 30.0
_STALE_S: Final = 120.0
_QUIET_S: Final = 600.0
_USUAL_GAPS: Final = 5
_SURELY: Final = 20.0
"""Requests that were to be expected: e^-20 that none came by chance."""
_FOLLOWED: Final = 0.95
_FEW: Final = 5
"""Assigned requests from which on their epoch says something."""
_FOLLOW_S: Final = 120.0
"""Time that applications have to follow before it is said that some do not."""
_SLOWER: Final = 1.5
_ONE_UNIT: Final = 0.5
"""Of the requests of an arm: what is compared is that unit, and not the version."""


def held_for(row: Row, inputs: Inputs) -> dict[str, str]:
    """Returns the holds that stand now, by name, with a text for people."""
    return dict(
        (*_blind(inputs), *_traffic(row, inputs), *_circumstances(row, inputs), *_evidence(row, inputs))
    )


def tracked(held: Mapping[str, Held], found: Mapping[str, str], now: datetime) -> dict[str, Held]:
    """Returns the holds after a tick; those to be released are gone."""
    after = {}
    for name, before in held.items():
        if name in found:
            after[name] = replace(before, text=found[name], clear_since=None, clear_ticks=0)
            continue
        since = min(before.clear_since or now, now)  # a clock that was set back keeps none
        ticks = before.clear_ticks + 1
        if ticks <= _CLEAR_TICKS or now - since < timedelta(seconds=_CLEAR_S):
            after[name] = replace(before, clear_since=since, clear_ticks=ticks)
    for name, text in found.items():
        after.setdefault(name, Held(text=text, since=now))
    return after


def without_hold(row: Row, name: str) -> Row:
    """Returns the row as if a hold did not stand."""
    holds = tuple(each for each in row.rollout.holds if each.name != name)
    held = {each: held for each, held in row.held.items() if each != name}
    return replace(row, held=held, rollout=replace(row.rollout, holds=holds))


def is_observed(inputs: Inputs) -> bool:
    """Returns True if the applications serve the current epoch, as far as they ask at all."""
    seen = inputs.traffic
    return seen.assigned >= _FEW and seen.on_epoch >= _FOLLOWED * seen.assigned


def blind_since(row: Row) -> datetime | None:
    """Since when nothing is measured; None if it is."""
    held = row.held.get("ingest_stale")
    return None if held is None or held.clear_since is not None else held.since


def behind_words(app: AppBehind) -> str:
    """Returns who still serves something else, in words."""
    return " ".join(filter(None, (app.app, app.client_version, f"({app.resolution})")))


def _blind(inputs: Inputs) -> Iterator[tuple[str, str]]:
    if inputs.error is not None:
        yield "controller_error", f"the last tick failed: {inputs.error}"
    for refusal in inputs.refusals:
        yield "refused", f"the registry refused the next step: {refusal.partition(': ')[2]}"
    lag_s, watermark = inputs.source_lag_s, inputs.traffic.watermark
    if lag_s is not None and lag_s > _STALE_S:
        yield (
            "ingest_stale",
            f"ingest is {in_words(lag_s)} behind; nothing will change until it catches up",
        )
    elif watermark is not None and lag_s is None:
        quiet_s = (inputs.now - watermark).total_seconds()
        if quiet_s > max(_STALE_S, _USUAL_GAPS * _gap_s(inputs)) and _gap_s(inputs) <= _STALE_S:
            yield (
                "ingest_stale",
                f"nothing has come in for {in_words(quiet_s)}, of no prompt; nothing changes until it does",
            )


def _gap_s(inputs: Inputs) -> float:
    """Usual time between two requests for the prompt."""
    usual = inputs.traffic.usual
    return 3_600.0 / usual.requests_per_h if usual is not None and usual.requests_per_h > 0 else _STALE_S


def _traffic(row: Row, inputs: Inputs) -> Iterator[tuple[str, str]]:
    seen, now = inputs.traffic, inputs.now
    stage_began = row.clock.observed_at
    if stage_began is None:
        waits_s = (now - row.clock.began_at).total_seconds()
        if seen.assigned >= _FEW and waits_s > _FOLLOW_S:
            yield "clients_behind", _behind(inputs)
        return
    if seen.assigned >= _FEW and not is_observed(inputs):
        yield "clients_behind", _behind(inputs)
    weight = row.rollout.plan.weight(row.rollout.stage)
    gap_s = max(_QUIET_S, _USUAL_GAPS * _gap_s(inputs))
    quiet = {
        name: (now - max(arm.last_at or stage_began, stage_began)).total_seconds()
        for name, arm in (("treatment", seen.treatment), ("control", seen.control))
    }
    if row.rollout.plan.weight(row.rollout.stage) >= 1.0:
        quiet.pop("control")
    if min(quiet.values()) > gap_s:
        yield (
            "no_traffic",
            f"no requests for {in_words(min(quiet.values()))}; the clock of the stage stands still meanwhile",
        )
    elif missing := _missing_arm(seen.treatment, seen.control, weight, quiet):
        yield (
            "arm_missing",
            f"the {missing} has had no requests for {in_words(quiet[missing])}, and the other arm has: "
            "assignment or an application is broken",
        )
    # Those of the plan, too: a metric that has never had a value is in no readout.
    plan = row.rollout.plan
    judged = {*plan.goals, *(name for name, each in plan.metrics.items() if each.role in ACTING)}
    if inputs.arm is not None:
        judged |= {each.metric for each in inputs.arm.metrics if each.role in ACTING}
    for name, cause in seen.missing_metrics.items():
        if name not in judged:
            continue
        yield f"metric_missing:{name}", f"no new values of {name}: {cause}"


def _missing_arm(
    treatment: ArmTraffic, control: ArmTraffic, weight: float, quiet_s: Mapping[str, float]
) -> str | None:
    if weight >= 1.0:
        return None
    odds = weight / (1.0 - weight)
    for name, arm, expected in (
        ("treatment", treatment, control.requests * odds),
        ("control", control, treatment.requests / odds),
    ):
        if not arm.requests and quiet_s[name] > _QUIET_S and expected >= _SURELY:
            return name
    return None


def _behind(inputs: Inputs) -> str:
    seen = inputs.traffic
    share = seen.on_epoch / max(seen.assigned, 1)
    apps = ", ".join(behind_words(each) for each in seen.behind[:5])
    return f"only {share:.0%} of requests follow the current weights; behind are {apps or 'unknown ones'}"


def _circumstances(row: Row, inputs: Inputs) -> Iterator[tuple[str, str]]:
    control, treatment, usual = inputs.traffic.control, inputs.traffic.treatment, inputs.traffic.usual
    if usual is not None and (trouble := _unlike_usual(control, usual.error_share, usual.latency_ms)):
        yield "unstable", f"{trouble} with the control, too: this is not {row.rollout.treatment}"
    changed = models_differ(control.models, control.models_before)
    both = changed and models_differ(treatment.models, treatment.models_before)
    if both:
        yield "model_changed", f"the provider changed the model: now {changed} before; the stage counts anew"
    elif "model_changed" in row.held and not _has_had_its_time(row):
        yield "model_changed", row.held["model_changed"].text
    if inputs.same_model and (unlike := models_differ(treatment.models, control.models)):
        yield (
            "arms_not_alike",
            f"{unlike} of treatment and control, though both ask for the same model: that is not the prompt",
        )


def _has_had_its_time(row: Row) -> bool:
    return row.clock.is_full(row.rollout.plan.min_time_s(row.rollout.stage))


def _unlike_usual(control: ArmTraffic, errors: float, latency_ms: float) -> str | None:
    if share_is_above(control.errors, control.requests, errors):
        return f"{control.errors / control.requests:.0%} of calls fail"
    if control.requests >= 100 and latency_ms > 0:
        mean_ms = control.latency_ms / control.requests
        if mean_ms > _SLOWER * latency_ms:
            return f"calls take {mean_ms:,.0f} ms instead of {latency_ms:,.0f}"
    return None


def _evidence(row: Row, inputs: Inputs) -> Iterator[tuple[str, str]]:
    readout, arm, plan = inputs.readout, inputs.arm, row.rollout.plan
    if readout is None or arm is None:
        return
    if readout.srm.mismatch:
        yield (
            "srm",
            "units do not arrive in the planned proportions, so the arms cannot be compared: see `why` for "
            "counts; abort, or retry with a new salt",
        )
    most = max((each.share for each in arm.heavy_units), default=0.0)
    if most >= _ONE_UNIT and arm.units >= LEAST_REQUESTS:
        yield (
            "one_unit",
            f"a single unit makes {most:.0%} of the treatment's requests: the comparison is about it and "
            "not about the others; see `readout`, and promote by force or abort",
        )
    for metric in arm.metrics:
        if metric.role == "signal" and metric.verdict == "worse":
            yield f"signal:{metric.metric}", f"{metric.metric}, a signal, is {metric.words}"
    only_holds = row.rollout.state == "baking" and not plan.bake.rollback
    if plan.on_segment_harm == "hold" or only_holds:
        for segment in arm.segments:
            if segment.harmed:
                yield f"segment:{segment.key}={segment.value}", segment_words(segment)
    if only_holds and arm.decision == "rollback":
        yield "harm", f"{arm.words}; the plan says that harm in the bake holds"
