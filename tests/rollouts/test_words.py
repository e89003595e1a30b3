"""What people read: the sentence of a status, patterns of failure, the course of a rollout."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from coalmine_rollouts.gates import waits_for_person
from coalmine_rollouts.inputs import Row
from coalmine_rollouts.patterns import patterns
from coalmine_rollouts.sentence import sentence
from tests.support.data.rollout_inputs import (
    BEHIND,
    NOW,
    WITH_HOLDBACK,
    a_readout,
    a_row,
    a_traffic,
    plan_of,
    segment,
    the_inputs,
)

ENDED = NOW - timedelta(minutes=2)


def partly(seconds: float) -> Row:
    row = a_row()
    return replace(row, clock=replace(row.clock, seen_s=seconds, watched_s=seconds))


@pytest.mark.parametrize(
    ("row", "changes", "words"),
    [
        (
            partly(2_400.0),
            {"readout": a_readout("hold", units=61)},
            "5%, 40 min of 1 h seen, 61 of 100 units; then 25%",
        ),
        (a_row(), {}, "5%, nothing is missing; then 25%"),
        (a_row(stage=2), {"readout": a_readout("hold")}, "50%, undecided in quality; then everybody"),
        (a_row(stage=2, plan=WITH_HOLDBACK), {}, "50%, nothing is missing; then 95%"),
        (
            a_row("baking", 3),
            {},
            "everybody (observational: no control any more), nothing is missing; then it is completed",
        ),
        (
            a_row(held={"ingest_stale": "ingest is 6 min behind; nothing will change until it catches up"}),
            {},
            "holding: ingest is 6 min behind; nothing will change until it catches up",
        ),
        (
            a_row(plan=plan_of(window="Mon 09:00-17:00 Europe/Berlin")),
            {},
            "5%, waits for the window Mon 09:00 Europe/Berlin; then 25%",
        ),
        (
            a_row(plan=plan_of(approve_before=["25%"])),
            {},
            "5%, a person has to approve 25%; then 25%",
        ),
        (
            a_row("paused", 1, reasons=("manual_weights: dana gave the treatment 30%",)),
            {},
            "paused at 25%: dana gave the treatment 30%; resume, or abort",
        ),
        (
            a_row("pending", reasons=("queued: behind ro-x-1, which holds the place",)),
            {},
            "waits: behind ro-x-1, which holds the place",
        ),
        (
            a_row("rolled_back", 0, reasons=("harm: worse in quality",), ended_at=ENDED),
            {"traffic": a_traffic(behind=(BEHIND,))},
            "rolled back at 2026-03-10 11:58:00 UTC, not yet effective at billing 0.3.1 (cached): "
            "harm: worse in quality",
        ),
        (
            a_row("rolled_back", 0, ended_at=ENDED, effective_at=ENDED + timedelta(seconds=2)),
            {},
            "rolled back at 2026-03-10 11:58:00 UTC, effective at 2026-03-10 11:58:02 UTC",
        ),
        (a_row("completed", 3, ended_at=ENDED), {}, "completed at 2026-03-10 11:58:00 UTC"),
    ],
)
def test_one_sentence_says_where_it_stands(row: Row, changes: dict[str, Any], words: str) -> None:
    assert sentence(row, the_inputs(row, **changes)) == words


def test_patterns_name_segments_that_are_or_may_be_worse_the_surest_first() -> None:
    found = (
        segment(value="en"),
        segment(value="fr", adjusted_p=0.15),
        segment(harmed=True, adjusted_p=0.004, units=1_300),
    )
    assert patterns(a_readout("hold", segments=found).arms[0]) == (
        "quality is worse by 0.01 where language is de (p 0.004, 1,300 units)",
        "quality may be worse by 0.01 where language is fr (p 0.15, 300 units)",
    )
    assert patterns(None) == ()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (a_row(plan=plan_of(approve_before=["25%"])), "a person has to approve 25%"),
        (a_row(stage=2, plan=plan_of(approve_before=["complete"])), "a person has to approve complete"),
        (a_row(plan=plan_of(approve_before=["25%"]), full=False), None),
        (a_row(plan=plan_of(approve_before=["50%"])), None),
        (a_row("baking", 3), None),
        (
            a_row("pending", reasons=("queued: behind ro-x-1", "approval: another person")),
            "approval: another person",
        ),
        (
            a_row("pending", reasons=("base_changed: it needs approval again",)),
            "base_changed: it needs approval again",
        ),
        (a_row("pending", reasons=("scheduled: begins later",)), None),
        (a_row("paused", reasons=("manual_weights: dana gave it 30%",)), "manual_weights: dana gave it 30%"),
        (a_row("paused", reasons=("dana: lunch",)), None),
    ],
)
def test_what_a_person_has_to_do_for_a_rollout_to_go_on(row: Row, words: str | None) -> None:
    assert waits_for_person(row) == words
