"""A snapshot is taken whole or not at all."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.prompts import InvalidSnapshot, PromptContent, Snapshot
from tests.support.data.prompt_examples import experiment_json, snapshot_json


def test_a_snapshot_survives_json() -> None:
    value = experiment_json()
    assert Snapshot.from_json(value).to_json() == value
    assert Snapshot.from_json(json.loads(json.dumps(value))) == Snapshot.from_json(value)


def test_what_a_newer_registry_adds_is_ignored() -> None:
    value = snapshot_json()
    value["region"] = "eu"
    value["prompts"]["support-refund"]["owner"] = "x"
    assert Snapshot.from_json(value) == Snapshot.from_json(snapshot_json())


def _prompt(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = value["prompts"]["support-refund"]
    return found


def _experiment(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _prompt(value)["experiments"]["refund-tone"]
    return found


def _include(value: dict[str, Any]) -> None:
    value["contents"]["support-refund@1.0.0"] = PromptContent(template='{% include "a@1.0.0" %}').to_json()


BREAKS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no environment": (lambda v: v.pop("environment"), "environment is None"),
    "empty environment": (lambda v: v.update(environment=""), "environment is ''"),
    "revision": (lambda v: v.update(revision="7"), "revision is '7'"),
    "true revision": (lambda v: v.update(revision=True), "revision is True"),
    "prompts": (lambda v: v.update(prompts=[]), "prompts is a list"),
    "prompt name": (lambda v: v["prompts"].update({"A B": {}}), "A B"),
    "no contents": (lambda v: v.pop("contents"), "contents is None"),
    "content missing": (lambda v: v["contents"].pop("support-refund@1.1.0"), "support-refund@1.1.0 without"),
    "rule's content": (lambda v: v["contents"].pop("support-refund@0.9.0"), "support-refund@0.9.0 without"),
    "broken content": (lambda v: v["contents"].update({"a@1.0.0": {}}), "contents.a@1.0.0.template"),
    "reference": (lambda v: v["contents"].update({"a": {"template": ""}}), "exact version"),
    "included": (_include, "includes a@1.0.0"),
    "default": (lambda v: _prompt(v).update(default={}), "default is a dict"),
    "both": (
        lambda v: _prompt(v).update(default={"version": "1.0.0", "experiment": "x"}),
        "default is a dict",
    ),
    "unknown experiment": (lambda v: _prompt(v).update(default={"experiment": "x"}), "experiment 'x'"),
    "no version": (lambda v: _prompt(v).update(default={"version": "latest"}), "latest"),
    "rule": (lambda v: _prompt(v)["rules"][0].update(when={"tier": [3]}), "list of texts"),
    "one value": (lambda v: _prompt(v)["rules"][0].update(when={"tier": "enterprise"}), "give a list"),
    "weights": (lambda v: _experiment(v)["arms"][0].update(weight=0.5), "add up to"),
    "text weight": (lambda v: _experiment(v)["arms"][0].update(weight="0.1"), "share from 0 to 1"),
    "nan weight": (lambda v: _experiment(v)["arms"][0].update(weight=float("nan")), "from 0 to 1"),
    "no arms": (lambda v: _experiment(v).update(arms=[]), "at least one arm"),
    "no salt": (lambda v: _experiment(v).update(salt=""), "salt"),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_what_is_broken_is_refused_and_named(broken: str) -> None:
    breaks, says = BREAKS[broken]
    value = experiment_json()
    breaks(value)
    with pytest.raises(InvalidSnapshot) as caught:
        Snapshot.from_json(value)
    assert says in str(caught.value)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += _places(item, (*path, key))
    return found


@given(
    st.sampled_from(_places(experiment_json())[1:]),
    st.sampled_from([None, True, -1, 1e300, "", "x", [], [None], {}, {"x": {}}]),
)
def test_no_garbage_makes_it_fail_otherwise(path: tuple[Any, ...], garbage: Any) -> None:
    value = copy.deepcopy(experiment_json())
    target: Any = value
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = garbage
    try:
        assert isinstance(Snapshot.from_json(value), Snapshot)
    except InvalidSnapshot as error:
        assert str(error)


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"error": "down"}])
def test_garbage_is_no_snapshot(value: Any) -> None:
    with pytest.raises(InvalidSnapshot):
        Snapshot.from_json(value)
