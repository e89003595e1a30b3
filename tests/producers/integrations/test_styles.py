"""Every way to call a model by its library leaves one right event, however the call ends."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.styles.check import Bench, bench, events_of, wrong
from tests.support.styles.style import Style

_LIBRARIES = {
    "openai": "openai",
    "anthropic": "anthropic",
}
"""Each with the package without which its styles are skipped."""


def _styles() -> list[Style]:
    found: list[Style] = []
    for library, package in _LIBRARIES.items():
        if importlib.util.find_spec(package.partition(".")[0]) is not None:
            found += importlib.import_module(f"tests.support.styles.by_{library}").STYLES
    return found


STYLES = _styles()


def _named(styles: list[Style]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("style", styles, ids=[f"{each.library}: {each.name}" for each in styles])


@pytest.fixture(scope="module")
def on() -> Iterator[Bench]:
    with bench() as running:
        yield running


@_named(STYLES)
@pytest.mark.parametrize("situation", ["ok", "length", "refusal"])
def test_what_was_answered_or_cut_is_told_apart(style: Style, situation: str, on: Bench, tmp_path: Path) -> None:
    assert wrong(style, situation, events_of(style, situation, on, tmp_path)) == []


@_named(STYLES)
@pytest.mark.parametrize("situation", ["400", "401", "429", "500"])
def test_errors_are_told_apart(style: Style, situation: str, on: Bench, tmp_path: Path) -> None:
    assert wrong(style, situation, events_of(style, situation, on, tmp_path)) == []


@_named([each for each in STYLES if each.streams])
def test_a_stream_that_breaks_off_failed(style: Style, on: Bench, tmp_path: Path) -> None:
    assert wrong(style, "broken", events_of(style, "broken", on, tmp_path)) == []


@_named([each for each in STYLES if each.closes])
def test_a_stream_that_is_closed_early_was_cancelled(style: Style, on: Bench, tmp_path: Path) -> None:
    assert wrong(style, "stopped", events_of(style, "stopped", on, tmp_path)) == []


@_named([each for each in STYLES if each.retries])
def test_a_call_that_is_retried_is_one_event(style: Style, on: Bench, tmp_path: Path) -> None:
    on.providers.failures = 1
    assert wrong(style, "ok", events_of(style, "ok", on, tmp_path, retries=2)) == []
