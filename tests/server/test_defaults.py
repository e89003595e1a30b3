"""A default stands once: the command, the route and the function behind them have the same."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from coalmine_registry.registry import Registry
from coalmine_server.api.routes import access, experiments, promotions, prompts
from coalmine_server.cli.prompts import inspect as commands

_SAME = (
    (
        "hygiene, newest",
        (commands.hygiene, "keep"),
        (prompts.hygiene, "keep_newest"),
        (Registry.hygiene, "keep_newest"),
    ),
    (
        "hygiene, days",
        (commands.hygiene, "idle_days"),
        (prompts.hygiene, "idle_days"),
        (Registry.hygiene, "idle_days"),
    ),
    ("prompts", (prompts.prompts, "limit"), (Registry.prompts, "limit")),
    ("versions", (prompts.prompt_versions, "limit"), (Registry.versions, "limit")),
    ("promotions", (promotions.promotions, "limit"), (Registry.promotions, "limit")),
    ("experiments", (experiments.experiments, "limit"), (Registry.experiments, "limit")),
    ("log", (access.prompt_log, "limit"), (access.audit_log, "limit"), (Registry.audit_log, "limit")),
)


@pytest.mark.parametrize("doors", [doors for _, *doors in _SAME], ids=[name for name, *_ in _SAME])
def test_every_door_has_the_same_default(doors: list[tuple[Callable[..., Any], str]]) -> None:
    defaults = {inspect.signature(door).parameters[parameter].default for door, parameter in doors}
    assert len(defaults) == 1
    assert inspect.Parameter.empty not in defaults
