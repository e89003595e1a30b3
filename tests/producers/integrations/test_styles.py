"""Every way to call a model by its library leaves one right event, however the call ends."""

import gc
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine.integrations import using
from tests.support import styles
from tests.support.styles.check import Bench, bench, faults
from tests.support.styles.libraries import PACKAGES, is_installed, styles_of
from tests.support.styles.style import Server


@pytest.fixture(scope="module")
def on() -> Iterator[Bench]:
    with bench() as running:
        yield running


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("library", PACKAGES)
def test_a_call_leaves_one_right_event(library: str, on: Bench, tmp_path: Path) -> None:
    """Answered, cut, refused, failed, broken off, closed early, retried.

    A library is imported by its test, and not where tests are collected: each process collects them all.
    """
    if not is_installed(library):
        pytest.skip(f"{library} is not installed")
    found = {}
    for number, style in enumerate(styles_of(library)):
        # Dropped streams are looked for after each call: not among the library's own objects each time.
        gc.collect()
        gc.freeze()
        if wrong := faults(style, on, tmp_path / str(number)):
            found[style.name] = wrong
    gc.collect()  # what a library leaves open is told here, and not in a later test
    gc.freeze()  # and no later collection looks through what was imported
    assert found == {}


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("library", PACKAGES)
def test_a_mistake_is_said_with_a_line_of_the_service_and_not_of_the_library(
    library: str, on: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if not is_installed(library):
        pytest.skip(f"{library} is not installed")
    on.providers.situation, on.providers.failures = "ok", 0
    unusable: Any = ["tier", "free"]
    places = {}
    for number, style in enumerate(styles_of(library)):
        caplog.clear()
        with (
            caplog.at_level(logging.WARNING, logger="coalmine"),
            Coalmine("styles", home=tmp_path / str(number)) as cm,
            using(partial(cm.call, "support-refund", version="1.0.0", segments=unusable)),
        ):
            style.run(Server(on.root))
        said = [each.message for each in caplog.records if "segments" in each.message]
        if len(said) != 1 or f"({styles.__path__[0]}/" not in said[0]:
            places[style.name] = said
    assert places == {}
