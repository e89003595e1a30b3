"""What to do about the alerts of each rule; the texts are those of docs/alerts.md."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

from coalmine_alerts.results.messages import Runbook

_HEADING: Final = re.compile(r"^### `([a-z_]+)`\n+", re.MULTILINE)


@cache
def runbooks() -> dict[str, Runbook]:
    """Returns the runbooks by rule."""
    text = (files("coalmine_alerts") / "runbooks.md").read_text(encoding="utf-8")
    _, *found = _HEADING.split(text)
    return {rule: Runbook(rule, said.strip()) for rule, said in zip(found[::2], found[1::2], strict=True)}
