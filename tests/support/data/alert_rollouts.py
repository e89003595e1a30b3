"""Rollouts as rules of alerts see them."""

from datetime import timedelta
from typing import Any

from coalmine_alerts.facts import RolloutFacts
from coalmine_rollouts.plan import template
from coalmine_rollouts.records import TERMINAL, Kind, Rollout, RolloutDecision, State
from tests.support.data.alert_facts import NOW

ID = "ro-refund-1.1.0-1"
LOOK = {
    "units": 212,
    "control_units": 3_980,
    "requests": 431,
    "metrics": [
        {
            "metric": "quality",
            "unit": "",
            "role": "must_prove",
            "verdict": "worse",
            "control_value": 0.822,
            "value": 0.756,
            "effect": -0.066,
            "lower": -0.098,
            "upper": -0.034,
        }
    ],
}


def rollout(state: State = "running", **given: Any) -> Rollout:
    """A rollout of refund 1.1.0."""
    plan = template("canary-standard")
    values: dict[str, Any] = {
        "id": ID,
        "environment": "prod",
        "prompt": "refund",
        "rule": None,
        "treatment": "1.1.0",
        "control": "1.0.0",
        "plan": plan,
        "plan_digest": plan.digest(),
        "template": "canary-standard",
        "mode": "act",
        "state": state,
        "reasons": (),
        "stage": 0,
        "holds": (),
        "row_version": 1,
        "revision": 2,
        "occupies": state not in TERMINAL,
        "started_by": "bob",
        "created_at": NOW - timedelta(minutes=22),
        "started_at": NOW - timedelta(minutes=21),
        "ended_at": NOW if state in TERMINAL else None,
        "retry_of": None,
        "replaced_by": None,
        "approvals": (),
        "reason": None,
    }
    return Rollout(**{**values, **given})


def decision(kind: Kind, seq: int = 1, **given: Any) -> RolloutDecision:
    """One decision of it."""
    values: dict[str, Any] = {
        "rollout": ID,
        "seq": seq,
        "kind": kind,
        "from_state": "running",
        "to_state": "running",
        "from_stage": 0,
        "to_stage": 0,
        "weights": None,
        "reasons": (),
        "evidence": {"look": LOOK},
        "actor": f"rollout:{ID}",
        "at": NOW,
        "revision": None,
    }
    return RolloutDecision(**{**values, **given})


def rollout_facts(state: State = "running", *decisions: RolloutDecision, **given: Any) -> RolloutFacts:
    """A rollout in a state, with its decisions."""
    own = {
        name: given.pop(name)
        for name in ("behind", "asked_behind", "diff", "author", "waits_for")
        if name in given
    }
    return RolloutFacts(rollout=rollout(state, **given), decisions=decisions, **own)
