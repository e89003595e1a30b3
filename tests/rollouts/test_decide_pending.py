from datetime import timedelta
from typing import Any

import pytest

from coalmine_rollouts.decide import decide
from coalmine_rollouts.inputs import Row
from tests.support.data.rollout_inputs import NOW, a_command, a_place, a_row, plan_of, the_inputs


def decided(row: Row, **changes: Any) -> tuple[str, str, tuple[str, ...]] | None:
    decision = decide(row, the_inputs(row, **{"readout": None, **changes}))
    return None if decision is None else (decision.kind, decision.to_state, decision.reasons)


def pending(**changes: Any) -> Row:
    return a_row("pending", revision=None, **changes)


def test_it_starts_when_nothing_is_missing() -> None:
    row = pending(reasons=("frozen: by dana",))
    decision = decide(row, the_inputs(row))
    assert decision is not None
    assert (decision.kind, decision.to_state, decision.act, decision.weight) == (
        "start",
        "running",
        "start",
        0.05,
    )


@pytest.mark.parametrize(
    ("row", "changes", "reason"),
    [
        (pending(start_at=NOW + timedelta(hours=1)), {}, "scheduled: begins at 2026-03-10 13:00 UTC"),
        (pending(), {"queued_behind": "ro-x-1"}, "queued: behind ro-x-1, which holds the place"),
        (pending(), {"frozen": "by dana: holidays"}, "frozen: frozen: by dana: holidays"),
        (pending(), {"unfinished": ("ro-y-2",)}, "after: ro-y-2 is not completed"),
        (pending(), {"refusals": ("approval: ann wrote it",)}, "approval: ann wrote it"),
        (
            pending(plan=plan_of(window="Wed 09:00-17:00 UTC")),
            {},
            "window: waits for the window Wed 09:00 UTC",
        ),
        (
            pending(
                plan=plan_of(
                    freezes=[
                        {"begin": "2026-03-10T00:00:00Z", "end": "2026-03-11T00:00:00Z", "reason": "sale"}
                    ]
                )
            ),
            {},
            "frozen: frozen until 2026-03-11T00:00:00+00:00: sale",
        ),
    ],
)
def test_it_waits_for_what_is_missing_and_says_so_once(
    row: Row, changes: dict[str, Any], reason: str
) -> None:
    assert decided(row, **changes) == ("wait", "pending", (reason,))
    waiting = pending(plan=row.rollout.plan, start_at=row.start_at, reasons=(reason,))
    assert decided(waiting, **changes) is None


def test_a_base_that_has_changed_needs_a_person() -> None:
    row = pending()
    place = a_place(row, version="1.0.5")
    found = decided(row, place=place)
    assert found is not None
    assert found[2][0].startswith("base_changed: the place serves 1.0.5")
    decision = decide(row, the_inputs(row, place=place, commands=(a_command("rebase"),)))
    assert decision is not None
    assert (decision.kind, decision.rebase_to) == ("rebase", "1.0.5")
    served = a_place(row, version="1.1.0")
    refused = decided(row, place=served, commands=(a_command("rebase"),))
    assert refused is not None
    assert refused[0] == "refuse"


@pytest.mark.parametrize("kind", ["cancel", "abort"])
def test_it_can_be_cancelled_whatever_it_waits_for(kind: Any) -> None:
    row = pending(reasons=("frozen: by dana",))
    found = decided(row, frozen="by dana", place=None, commands=(a_command(kind, seen_row_version=1),))
    assert found == ("cancel", "cancelled", ("bob: because",))


def test_what_is_not_needed_any_more_is_cancelled() -> None:
    assert decided(pending(), treatment_gone="1.2.0 is served there by now") == (
        "cancel",
        "cancelled",
        ("1.2.0 is served there by now",),
    )


@pytest.mark.parametrize("kind", ["pause", "resume", "promote_force"])
def test_what_needs_a_running_rollout_is_refused(kind: Any) -> None:
    found = decided(pending(), commands=(a_command(kind),))
    assert found is not None
    assert found[:2] == ("refuse", "pending")
