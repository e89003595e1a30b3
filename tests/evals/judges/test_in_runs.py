"""Judges in runs of suites: what they cost, when they decide, and what is said of them."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine_evals.judges.correct import answers_to_label, corrections, read_labels
from coalmine_evals.judges.find import find_judge
from coalmine_evals.judges.remarks import JudgedAnswer, at_equal_length
from coalmine_evals.judges.storage import put_calibration
from coalmine_evals.records import Output, Score
from coalmine_evals.results.judges import Calibration, JudgeAgreement
from coalmine_evals.suites.cases import SuiteCases
from coalmine_evals.suites.read import suite_of
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.mistakes import InvalidFile
from coalmine_schemas.prompts.json_values import JsonObject
from tests.evals.runs.test_session import World, both, cases
from tests.support.servers.llm import Asked, Reply, chat, llm_server

_MODEL = "gpt-5.4-mini-2026-03-17"
_COUNT = 12


def _suite() -> SuiteCases:
    judge = {"judge": "judge-correctness@1.0.0", "samples": 1}
    suite = suite_of(
        "refunds",
        {
            "prompt": "support-refund",
            "dataset": "refunds",
            "dataset_digest": "a" * 64,
            "metrics": {
                "right": {"scorer": "contains", "margin": 0.05},
                "quality": {"scorer": "llm_judge", "margin": 0.05, "settings": judge},
                "better": {"scorer": "llm_judge_pairs", "margin": 0.05, "settings": {"samples": 1}},
            },
        },
        "refunds.yaml",
    )
    return SuiteCases(suite, cases(_COUNT).every)


def _reply(asked: Asked) -> Reply:
    """The candidate, which is asked for brevity, answers more briefly, and the judge likes that."""
    if asked.body["model"] != _MODEL:
        number = "".join(filter(str.isdigit, asked.last_message))
        brief = asked.last_message.startswith("Briefly")
        return Reply(chat(number if brief else f"After long thought it is {number}, of course"))
    shown = json.loads(asked.last_message.split("\n")[1])
    if "answer" in shown:
        said = "right" if len(shown["answer"]) < 10 else "partly"
    else:
        said = "first" if len(shown["first"]) < len(shown["second"]) else "second"
    return Reply(
        chat(json.dumps({"reasoning": "so", "addresses_judge": False, "verdict": said}), model=_MODEL)
    )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with llm_server(_reply) as server, closing(World(tmp_path, server)) as found:
        yield found


def test_a_judge_is_shown_until_it_was_compared_with_people_and_decides_then(
    world: World, tmp_path: Path
) -> None:
    ended = world.run(both(_suite())).run
    assert ended.gate is not None
    rows = {each.metric: each for each in ended.gate.rows if each.capability is None}
    assert (rows["quality"].candidate, rows["quality"].baseline) == (1, 0.5)
    assert (rows["better"].candidate, rows["better"].baseline) == (1, 0)
    assert [name for name, row in rows.items() if row.decides] == ["right"]
    (why,) = (each for each in ended.gate.warnings if each.startswith("quality is shown only"))
    assert "nobody compared judge-correctness@1.0.0#gpt-5.4-mini-2026-03-17 with people" in why
    judged = [each for each in world.server.asked if each.body["model"] == _MODEL]
    # Each answer once, and each pair once in both orders, though it is scored for both sides.
    assert (len(world.server.asked) - len(judged), len(judged)) == (2 * _COUNT, 2 * _COUNT + 2 * _COUNT)
    (family,) = (each for each in ended.gate.warnings if "family" in each and "quality" in each)
    assert "is of the family GPT" in family

    _check_corrected(world, ended.id, tmp_path)
    agreement = JudgeAgreement(100, 0.9, 0.5, 0.8, 0.7, 0.9)
    put_calibration(world.database, _calibration(f"judge-correctness@1.0.0#{_MODEL}", agreement))
    again = world.run(both(_suite())).run
    assert again.gate is not None
    assert {each.metric for each in again.gate.rows if each.decides} == {"right", "quality"}
    assert len(world.server.asked) == 2 * _COUNT + 4 * _COUNT
    assert again.spent_nano_usd == 0


def _check_corrected(world: World, run: str, folder: Path) -> None:
    """People find every second of the candidate's brief answers only partly right."""
    answers = list(world.store.kept(run))
    lines = answers_to_label(answers, "quality", 10)
    assert len(lines) == 20
    assert {each["case"] for each in lines if each["side"] == "candidate"} == {
        each["case"] for each in lines if each["side"] == "baseline"
    }
    judge = find_judge("judge-correctness@1.0.0")
    file = folder / "labels.jsonl"
    with pytest.raises(InvalidFile, match="has no label"):
        read_labels(_written(file, lines), judge)
    for place, each in enumerate(lines):
        half = each["side"] == "baseline" or place // 2 % 2
        each["label"] = "partly" if half else "right"
    labels = read_labels(_written(file, lines), judge)
    found = {each.side: each for each in corrections(answers, "quality", labels, {})}
    assert (found["candidate"].raw, found["candidate"].corrected) == (1, 0.75)
    assert (found["baseline"].raw, found["baseline"].corrected) == (0.5, 0.5)
    assert (found["difference"].raw, found["difference"].corrected) == (0.5, 0.25)
    assert (found["difference"].labels, found["difference"].judged) == (10, _COUNT)
    twice = [*lines, {**lines[0], "label": "wrong"}]
    with pytest.raises(InvalidFile, match=r"labels\.jsonl:21: label is 'wrong': a line above"):
        read_labels(_written(file, twice), judge)
    labels["candidate"]["nothing", 0] = 1.0
    with pytest.raises(InvalidParameter, match="nothing, repeat 0 of the candidate"):
        corrections(answers, "quality", labels, {})
    lines[0]["label"] = "good"
    with pytest.raises(InvalidFile, match=r"labels\.jsonl:1: label is 'good'"):
        read_labels(_written(file, lines), judge)


def _written(file: Path, lines: list[JsonObject]) -> Path:
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return file


def _calibration(scorer: str, found: JudgeAgreement) -> Calibration:
    return Calibration(
        scorer=scorer,
        found=found,
        decides=True,
        reason="decides",
        least_kappa=0.4,
        confusion=(),
        segments=(),
        lenience=0,
        spread=None,
        length_correlation=None,
        human_length_correlation=None,
        position_consistency=None,
        unscored=0,
        labels_digest="0" * 64,
        cost_nano_usd=0,
        calibrated_at=datetime.now(UTC),
    )


def test_a_difference_that_is_length_alone_vanishes_at_equal_length() -> None:
    def side(factor: float) -> list[JudgedAnswer]:
        found = []
        for place in range(40):
            length = int((100 + 10 * (place % 7)) * (factor if place % 5 else 1))
            value = min(1.0, length / 1000)
            found.append(JudgedAnswer(str(place), 0, Output("x" * length), Score(value)))
        return found

    found = at_equal_length(side(3.0), side(1.0))
    assert found is not None
    assert found.difference > 0.15
    assert abs(found.at_equal_length) < 0.01
    assert found.correlation > 0.9
    assert at_equal_length(side(1.0), side(1.0)) is None
    assert at_equal_length(side(3.0)[:10], side(1.0)[:10]) is None
