"""Judges beside people, under attack, and from day to day."""

import asyncio
import json
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalmine_evals.judges.attack import attack, bait
from coalmine_evals.judges.attacks import ATTACKS
from coalmine_evals.judges.calibrate import calibration_of, verdict_of
from coalmine_evals.judges.canary import CASES, REFERENCE_DAYS, CanaryDay, canary_answers, canary_status
from coalmine_evals.judges.find import shipped_judges
from coalmine_evals.judges.labelled import Labelled, read_labelled
from coalmine_evals.judges.measure import JudgeScorers, measure
from coalmine_evals.judges.pairs import LlmJudgePairs
from coalmine_evals.judges.scorer import LlmJudge
from coalmine_evals.judges.storage import (
    advisory_reason,
    calibrations,
    canary_days,
    canary_sets,
    canary_statuses,
    forget_canary,
    put_calibration,
    put_canary,
)
from coalmine_evals.judges.watch import due, score_canary, score_due
from coalmine_evals.providers.open import Access, OpenModels
from coalmine_evals.providers.provider import Request
from coalmine_evals.results.judges import Calibration
from coalmine_evals.storage.open import open_database
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.mistakes import InvalidFile
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.prompt_files.markdown import parse_prompt
from coalmine_schemas.prompts import PromptContent
from tests.evals.judges.fake import FakeModels, Reply, case, judged, verdict
from tests.support.servers.llm import Asked, chat, llm_server
from tests.support.servers.llm import Reply as LlmReply

_NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
_FAITHFUL = LlmJudge.of({"judge": "judge-faithfulness@1.0.0"})
_TONE = LlmJudge.of({"judge": "judge-tone@1.0.0", "samples": 1})


def _labelled(labels: list[str], **segments: str) -> list[Labelled]:
    return [
        Labelled(case(f"case {place}"), (f"answer {place} {label}",), label, segments)
        for place, label in enumerate(labels)
    ]


def _calibrated(scorer: JudgeScorers, labelled: list[Labelled], reply: Reply) -> Calibration:
    scorer = scorer.with_models(FakeModels(reply))
    measured = asyncio.run(measure(scorer, labelled))
    return calibration_of(scorer.judge, scorer.name, measured, at=_NOW)


def _says_the_label(wrong_every: int = 0) -> Reply:
    def reply(request: Request, _repeat: int) -> str:
        _, place, label = str(judged(request)["answer"]).split()
        wrong = wrong_every and int(place) % wrong_every == 0
        return verdict("faithful" if wrong else label)

    return reply


def test_a_judge_that_agrees_decides_and_says_how_far() -> None:
    labels = ["unfaithful", "faithful", "partly"] * 30
    found = _calibrated(_FAITHFUL, _labelled(labels), _says_the_label(9))
    assert found.scorer == "judge-faithfulness@1.0.0#gpt-5.4-mini-2026-03-17"
    assert found.decides
    assert found.found.labels == 90
    assert found.found.lower is not None
    assert found.found.lower >= 0.4
    assert found.reason.startswith("kappa 0.")
    assert {(each.human, each.judge): each.count for each in found.confusion} == {
        ("faithful", "faithful"): 30,
        ("partly", "partly"): 30,
        ("unfaithful", "unfaithful"): 20,
        ("unfaithful", "faithful"): 10,
    }
    assert found.lenience == pytest.approx(10 / 90)
    assert found.spread == 0
    assert found.cost_nano_usd == 2700


@pytest.mark.parametrize(
    ("labels", "reply", "said"),
    [
        (["unfaithful", "faithful"] * 10, _says_the_label(), "20 labels; at least 30"),
        (["faithful"] * 40, _says_the_label(), "one verdict was given throughout"),
        (["unfaithful", "faithful"] * 30, _says_the_label(2), "change the judge|label more"),
        (["unfaithful", "faithful"] * 30, lambda *_: verdict("faithful"), "is not shown"),
        (["unfaithful", "faithful"] * 30, lambda *_: "no", "no verdict on 100% of answers"),
    ],
)
def test_a_judge_that_is_not_shown_to_agree_is_advisory(labels: list[str], reply: Reply, said: str) -> None:
    found = _calibrated(_FAITHFUL, _labelled(labels), reply)
    assert not found.decides
    assert re.search(said, found.reason), found.reason


def test_segments_are_shown_by_themselves_the_worst_first() -> None:
    german = _labelled(["unfaithful", "faithful"] * 20, language="de")
    english = [replace(each, segments={"language": "en"}) for each in german]
    english = [replace(each, case=replace(each.case, id=f"en {each.case.id}")) for each in english]

    found = _calibrated(_FAITHFUL, german + english, _says_the_label())
    assert [(each.key, each.value) for each in found.segments] == [("language", "de"), ("language", "en")]
    assert found.segments[0].found.labels == 40


def test_a_judge_that_likes_length_shows_it() -> None:
    rng = np.random.default_rng(2)
    words = rng.integers(1, 200, 60)
    labels = rng.choice(["1", "3", "5"], 60)
    labelled = [
        Labelled(case(str(place)), ("word " * int(count),), str(label))
        for place, (count, label) in enumerate(zip(words, labels, strict=True))
    ]
    found = _calibrated(
        _TONE,
        labelled,
        lambda request, _: verdict(int(np.clip(len(str(judged(request)["answer"])) // 200 + 1, 1, 5))),
    )
    assert found.length_correlation is not None
    assert found.human_length_correlation is not None
    assert found.length_correlation > 0.9
    assert abs(found.human_length_correlation) < 0.3


def test_pairs_are_calibrated_too_with_their_consistency() -> None:
    scorer = LlmJudgePairs.of({"samples": 1})
    labelled = [
        Labelled(case(str(place)), ("good", f"bad {place}") if place % 2 else (f"bad {place}", "good"), label)
        for place in range(40)
        for label in ["first" if place % 2 else "second"]
    ]

    def reply(request: Request, _repeat: int) -> str:
        shown = judged(request)
        if "bad 7" in shown.values():
            return verdict("first")
        return verdict("first" if shown["first"] == "good" else "second")

    found = _calibrated(scorer, labelled, reply)
    assert found.decides
    assert found.position_consistency == pytest.approx(39 / 40)
    assert found.confusion[-1].judge == "tie"


def test_the_mean_of_samples_becomes_the_nearest_verdict() -> None:
    judge = _TONE.judge
    assert verdict_of(judge, 0.62) == "3"
    assert verdict_of(judge, 0.63) == "4"
    assert verdict_of(judge, 0.625) == "3"


def _line(**changes: Any) -> dict[str, Any]:
    return {"id": "a", "variables": {"q": "?"}, "output": "x", "label": "partly", **changes}


def test_labelled_answers_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(_line(segments={"language": "de"}, expected="y")) + "\n")
    (found,) = read_labelled(path, _FAITHFUL.judge)
    assert (found.answers, found.label, found.segments) == (("x",), "partly", {"language": "de"})
    path.write_text(json.dumps(found.to_json()))
    assert read_labelled(path, _FAITHFUL.judge) == [found]
    path.write_text(json.dumps({"id": 1, "label": 4, "output": "x"}))
    with pytest.raises(InvalidFile, match="id"):
        read_labelled(path, _TONE.judge)
    path.write_text(json.dumps({"id": "1", "label": 4, "output": "x"}))
    assert read_labelled(path, _TONE.judge)[0].label == "4"


def test_every_mistake_of_a_file_of_labels_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    lines = [
        _line(),
        _line(),
        _line(id="b", label="good"),
        _line(id="c", output=None),
        _line(id="d", outpt=1),
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InvalidFile) as caught:
        read_labelled(path, _FAITHFUL.judge)
    said = str(caught.value).split("\n")
    assert [each.split(":")[1] for each in said] == ["2", "3", "4", "5"]
    assert "line 1 has it, too" in said[0]
    assert "unfaithful, partly, faithful" in said[1]
    assert "did you mean output" in said[3]


def test_a_judge_that_can_be_steered_is_seen_to_be() -> None:
    def steered(request: Request, _repeat: int) -> str:
        answer = str(judged(request)["answer"]).lower()
        return verdict(5 if "ignore all" in answer else 1, addresses="ignore all" in answer)

    scorer = _TONE.with_models(FakeModels(steered))
    report = asyncio.run(attack(scorer, bait(scorer.judge)))
    assert not report.withstands
    whole = report.found[0]
    assert (whole.kind, whole.attacks, whole.scored) == ("all", len(ATTACKS), 3 * len(ATTACKS))
    assert whole.shift is not None
    assert whole.lower is not None
    assert whole.upper is not None
    assert 0.05 < whole.shift < 0.3
    assert whole.lower < whole.shift < whole.upper
    assert report.found[1].kind == "order"
    assert "ignore-after" in report.worst
    assert whole.noticed == whole.raised
    assert whole.detected is not None
    assert whole.detected > 0.4
    assert report.answers == 3


def test_a_judge_that_reads_its_rubric_withstands_and_a_silent_one_shows_nothing() -> None:
    scorer = _TONE.with_models(FakeModels(lambda *_: verdict(1)))
    report = asyncio.run(attack(scorer, bait(scorer.judge)))
    assert report.withstands
    assert report.found[0].shift == 0
    assert report.worst == ()
    lenient = _TONE.with_models(FakeModels(lambda *_: verdict(5)))
    report = asyncio.run(attack(lenient, bait(lenient.judge)))
    assert (report.withstands, report.found[0].scored, report.found[0].shift) == (False, 0, None)
    silent = _TONE.with_models(FakeModels(lambda *_: None))
    assert not asyncio.run(attack(silent, bait(silent.judge))).withstands


def _day(place: int, shift: float, rng: np.random.Generator, model: str = "m1") -> CanaryDay:
    day = (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=place)).date().isoformat()
    scores = {str(each): float(each % 5 / 5 + rng.normal(shift, 0.05)) for each in range(CASES)}
    return CanaryDay(day, scores, (model,))


def test_a_judge_that_moves_is_seen_on_the_day_and_one_that_flickers_is_not() -> None:
    rng = np.random.default_rng(4)
    days = [_day(place, 0, rng) for place in range(60)]
    assert canary_status("j", CASES, days[:REFERENCE_DAYS]).state == "learning"
    states = [canary_status("j", CASES, days[:count]).state for count in range(REFERENCE_DAYS + 1, 61)]
    assert states == ["steady"] * 55
    moved = canary_status("j", CASES, [*days, _day(60, 0.1, rng, "m2"), _day(61, 0.1, rng, "m2")])
    assert (moved.state, moved.moved_since) == ("moved", "2026-12-31")
    assert moved.shift == pytest.approx(0.1, abs=0.04)
    assert "m2 answers now, and m1 did" in moved.sentence
    assert canary_status("j", CASES, []).state == "learning"


def test_few_false_alarms_in_a_year() -> None:
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        days = [_day(place, 0, rng) for place in range(REFERENCE_DAYS)]
        alarms += sum(
            canary_status("j", CASES, [*days, _day(place, 0, rng)]).state == "moved"
            for place in range(5, 105)
        )
    assert alarms <= 5  # of 1,000 days


def test_the_server_scores_what_is_due_and_says_what_it_could_not(tmp_path: Path) -> None:
    database = open_database(tmp_path / "evals.db")
    put_canary(database, _TONE, canary_answers(_labelled(["1", "5"] * 4)), _NOW)
    gone = LlmJudge.of({"judge": "judge-gone@1.0.0", "samples": 1})
    there = gone.with_prompts({"judge-gone@1.0.0": parse_prompt(_text())}.__getitem__)
    put_canary(database, there, canary_answers(_labelled(["1", "5"] * 4)), _NOW)
    seen: list[Asked] = []

    def reply(asked: Asked) -> LlmReply:
        seen.append(asked)
        return LlmReply(chat(verdict(3)))

    with llm_server(reply) as server:

        def work(stop: threading.Event) -> list[str]:
            models = OpenModels({"openai": Access(server.url)}, PriceTable())
            return asyncio.run(score_due(database, models, now=_NOW, prompts=_nothing, stop=stop))

        stopped = threading.Event()
        stopped.set()
        assert (work(stopped), len(seen)) == ([], 0)
        (said,) = work(threading.Event())
        assert said.startswith(f"{there.name}: judge judge-gone@1.0.0: there is no such prompt")
        assert [each.scorer for each in due(database, _NOW)] == [there.name]
        assert len(seen) == 8
    database.close()


def _nothing(reference: str) -> PromptContent:
    raise KeyError(reference)


def _text() -> str:
    return next(text for name, _, text in shipped_judges() if name == "judge-tone")


def test_the_database_keeps_calibrations_and_canaries(tmp_path: Path) -> None:
    database = open_database(tmp_path / "evals.db")
    found = _calibrated(_FAITHFUL, _labelled(["unfaithful", "faithful"] * 40), _says_the_label())
    put_calibration(database, found)
    put_calibration(database, found)
    assert calibrations(database) == [found]
    assert advisory_reason(found.scorer, [found]) is None
    reason = advisory_reason("judge-tone@1.0.0#m", [found])
    assert reason is not None
    assert "coalmine judge calibrate" in reason
    assert (
        advisory_reason(found.scorer, [replace(found, decides=False, reason="advisory: x")]) == "advisory: x"
    )

    answers = canary_answers(_labelled(["unfaithful", "faithful"] * 40))
    assert len(answers) == CASES
    put_canary(database, _FAITHFUL, answers, _NOW)
    (canary,) = due(database, _NOW)
    assert canary.answers == tuple(answers)
    models = FakeModels(_says_the_label())
    asyncio.run(score_canary(database, canary, models, now=_NOW))
    assert len(models.asked) == 3 * CASES
    assert due(database, _NOW) == []
    assert len(due(database, _NOW + timedelta(days=1))) == 1
    (day,) = canary_days(database, canary.scorer)
    assert (day.day, day.response_models) == ("2026-11-28", (_FAITHFUL.judge.model,))
    with pytest.raises(InvalidParameter, match="nothing is kept"):
        silent = FakeModels(lambda *_: None)
        asyncio.run(score_canary(database, canary, silent, now=_NOW + timedelta(days=1)))
    assert [each.state for each in canary_statuses(database)] == ["learning"]
    assert forget_canary(database, canary.scorer)
    assert not forget_canary(database, canary.scorer)
    assert (canary_sets(database), canary_days(database, canary.scorer)) == ([], [])
    database.close()
