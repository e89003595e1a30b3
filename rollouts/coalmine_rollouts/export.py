"""The story of a rollout as Markdown, for a post-mortem."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from coalmine_rollouts.records import Rollout, RolloutDecision
from coalmine_schemas.plain_number import plain_number
from coalmine_schemas.prompts import percent
from coalmine_schemas.safe_text import markdown_text

_COLUMNS = ("metric", "role", "control", "treatment", "effect", "from", "to", "verdict")
_FIELDS = ("metric", "role", "control_value", "value", "effect", "lower", "upper", "verdict")


def timeline_markdown(rollout: Rollout, decisions: Sequence[RolloutDecision]) -> str:
    """Returns a page: what was rolled out, every decision, and its numbers where it changed something.

    Args:
        rollout: The rollout.
        decisions: All of its decisions, oldest first.
    """
    return "\n".join(_lines(rollout, decisions)) + "\n"


def _lines(rollout: Rollout, decisions: Sequence[RolloutDecision]) -> Iterator[str]:
    place = rollout.environment if rollout.rule is None else f"{rollout.environment}, rule {rollout.rule}"
    yield f"# Rollout {markdown_text(rollout.id)}"
    yield ""
    facts = {
        "Prompt": f"{rollout.prompt}, {rollout.control} to {rollout.treatment}",
        "Place": place,
        "State": "; ".join((_words(rollout.state), *rollout.reasons)),
        "Asked for": f"{_moment(rollout.created_at)} by {rollout.started_by}",
        "Reason": rollout.reason,
        "Started": None if rollout.started_at is None else _moment(rollout.started_at),
        "Ended": None if rollout.ended_at is None else _moment(rollout.ended_at),
        "Retry of": rollout.retry_of,
        "Plan": f"{rollout.template or 'own'}, {rollout.plan_digest}",
        "Stages": ", ".join(f"{percent(each.weight)} for {each.min_time}" for each in rollout.plan.stages),
    }
    for name, value in facts.items():
        if value is not None:
            yield f"- {name}: {markdown_text(value)}"
    for decision in decisions:
        yield ""
        yield f"## {decision.seq}. {_moment(decision.at)}: {_change(decision)}"
        yield ""
        yield f"By {markdown_text(decision.actor)}{_served(decision)}."
        for reason in decision.reasons:
            yield f"- {markdown_text(reason)}"
        if decision.from_state != decision.to_state or decision.from_stage != decision.to_stage:
            yield from _metrics(decision.evidence)


def _change(decision: RolloutDecision) -> str:
    kind = _words(decision.kind)
    if decision.from_state == decision.to_state:
        return kind
    return f"{kind}, {_words(decision.to_state)}"


def _served(decision: RolloutDecision) -> str:
    if decision.revision is None:
        return ""
    weights = ", ".join(f"{name} {percent(share)}" for name, share in (decision.weights or {}).items())
    return f"; revision {decision.revision}" + (f" serves {markdown_text(weights)}" if weights else "")


def _metrics(evidence: Mapping[str, Any]) -> Iterator[str]:
    metrics = (evidence.get("look") or {}).get("metrics") or []
    acting = [each for each in metrics if each["role"] != "shown"]
    if acting:
        yield ""
        yield f"| {' | '.join(_COLUMNS)} |"
        yield f"|{'---|' * len(_COLUMNS)}"
        for each in acting:
            yield f"| {' | '.join(_cell(each[name]) for name in _FIELDS)} |"


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case int() | float():
            return plain_number(value, 4)
        case _:
            return markdown_text(_words(str(value)))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _words(text: str) -> str:
    return text.replace("_", " ")
