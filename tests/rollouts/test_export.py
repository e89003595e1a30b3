"""The story of a rollout as Markdown: what was rolled out, each decision, and the numbers it stood on."""

from dataclasses import replace

from coalmine_rollouts.export import timeline_markdown
from coalmine_rollouts.records import RolloutDecision
from tests.support.data.rollout_inputs import NOW, a_row

METRIC = {
    "metric": "error_rate",
    "unit": "ratio",
    "role": "must_prove",
    "verdict": "worse",
    "control_value": 0.01,
    "value": 0.9,
    "effect": 0.89,
    "lower": 0.7,
    "upper": None,
}
ROLLOUT = replace(
    a_row("rolled_back").rollout,
    reasons=("limit error_rate is broken",),
    reason="shorter *answers*",
    ended_at=NOW,
)


def decision(seq: int, kind: str, before: str | None, after: str, **changes: object) -> RolloutDecision:
    values = {
        "rollout": ROLLOUT.id,
        "seq": seq,
        "kind": kind,
        "from_state": before,
        "to_state": after,
        "from_stage": 0,
        "to_stage": 0,
        "weights": None,
        "reasons": (),
        "evidence": {},
        "actor": f"rollout:{ROLLOUT.id}",
        "at": NOW,
        "revision": None,
    }
    return RolloutDecision(**{**values, **changes})  # type: ignore[arg-type]


def test_no_text_moves_a_cursor_or_a_word() -> None:
    told = timeline_markdown(replace(ROLLOUT, reason="\x1b[2J\u202e<b>[a](b)"), [])
    assert "- Reason: \\\\u001b\\[2J\\\\u202e\\<b\\>\\[a\\](b)" in told


DECISIONS = [
    decision(1, "create", None, "pending", actor="bob", from_stage=None),
    decision(2, "start", "pending", "running", weights={"treatment": 0.05, "control": 0.95}, revision=2),
    decision(3, "hold", "running", "running", reasons=("no_traffic: nobody asks",)),
    decision(
        4,
        "roll_back",
        "running",
        "rolled_back",
        reasons=("limit error_rate is broken",),
        evidence={"look": {"metrics": [METRIC, {**METRIC, "metric": "input_tokens", "role": "shown"}]}},
        revision=3,
    ),
]


def test_it_has_the_facts_every_decision_and_the_numbers_of_those_that_changed_something() -> None:
    lines = timeline_markdown(ROLLOUT, DECISIONS).splitlines()
    assert lines[0] == f"# Rollout {ROLLOUT.id}"
    assert "- Prompt: refund, 1.0.0 to 1.1.0" in lines
    assert "- State: rolled back; limit error\\_rate is broken" in lines
    assert "- Reason: shorter \\*answers\\*" in lines
    headings = [line.partition(": ")[2] for line in lines if line.startswith("## ")]
    assert headings == ["create, pending", "start, running", "hold", "roll back, rolled back"]
    assert f"By rollout:{ROLLOUT.id}; revision 2 serves treatment 5%, control 95%." in lines
    assert "- no\\_traffic: nobody asks" in lines
    tables = [line for line in lines if line.startswith("| error rate |")]
    assert tables == ["| error rate | must prove | 0.01 | 0.9 | 0.89 | 0.7 | - | worse |"]
    assert not [line for line in lines if "input" in line]


def test_one_that_has_not_begun_has_a_story_too() -> None:
    text = timeline_markdown(a_row("pending").rollout, DECISIONS[:1])
    assert "Started" not in text
    assert text.endswith("By bob.\n")
