"""The course of a rollout as Markdown, for a post-mortem."""

from collections.abc import Iterable

from coalmine_rollouts.records import Rollout, RolloutDecision
from coalmine_schemas.prompts import percent

_CELL = str.maketrans({"|": "\\|", "\n": " "})


def timeline_markdown(rollout: Rollout, decisions: Iterable[RolloutDecision]) -> str:
    """Returns a heading, what it was about, and a row for each decision.

    Args:
        rollout: The rollout.
        decisions: Its decisions, oldest first.
    """
    place = "by default" if rollout.rule is None else f"under rule {rollout.rule}"
    lines = [
        f"# {rollout.id}",
        "",
        f"{rollout.prompt} {rollout.treatment} against {rollout.control} in {rollout.environment}, {place}; "
        f"{rollout.state.replace('_', ' ')}.",
        "",
        "| when (UTC) | decision | by | treatment | why | deployment |",
        "|---|---|---|---|---|---|",
    ]
    for each in decisions:
        share = "" if not each.weights else percent(each.weights["treatment"])
        why = "; ".join(each.reasons).translate(_CELL)
        revision = "" if each.revision is None else f"revision {each.revision}"
        kind = each.kind.replace("_", " ")
        cells = (f"{each.at:%Y-%m-%d %H:%M:%S}", kind, each.actor.translate(_CELL), share, why, revision)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
