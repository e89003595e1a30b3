"""Writes docs/reliability.md: each promise with what was done to it, and what became of it.

`python -m tests.support.reliability.page` reads what a campaign left in build/campaign. A promise is kept if
each of its tests was run in full and none failed; one whose test was not run, or skipped, is not run.
"""

import os
import platform
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.support.reliability.promises import PROMISES, Promise
from tests.support.reliability.results import Case, read_results
from tests.support.repository.tree import ROOT

RESULTS: Final = ROOT / "build" / "campaign"
PAGE: Final = ROOT / "docs" / "reliability.md"
README: Final = ROOT / "README.md"
MARKS: Final = ("<!-- campaign: written by make campaign -->", "<!-- end -->")
"""Around the sentence in the README."""

Verdict = Literal["kept", "broken", "not run"]

_HEAD = """\
# Reliability

What Coalmine promises when everything around it fails, and what became of each promise when that was done to
it on purpose. `make campaign` does it, and writes this page from its results: real brokers, real disks, real
processes that are really killed. `make test` does the same in a smaller form with every change.

Kept: each test of the promise was run in its full form, and none failed. Broken: one failed. Not run: one was
not run, or was skipped because the machine does not allow it (mounting a disk and limiting memory need root);
nothing is known then.

{facts}

| promise | what was done | outcome | seconds |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A promise and what became of it."""

    promise: Promise
    verdict: Verdict
    why: str
    """Which tests failed or were not run; empty if it is kept."""
    tried: str
    duration_s: float


def judge(promise: Promise, cases: Sequence[Case]) -> Row:
    """What the runs of a campaign say of a promise."""
    failed: list[str] = []
    missing: list[str] = []
    tried: list[str] = []
    duration_s, ran = 0.0, False
    for name in promise.tests:
        runs = [case for case in cases if case.is_of(name)]
        whole = [case for case in runs if case.full]
        duration_s += sum(case.duration_s for case in whole)
        ran = ran or any(case.outcome != "skipped" for case in whole)
        tried += dict.fromkeys(case.tried for case in whole if case.tried)
        short = name.rpartition("::")[2]
        if len(whole) > 1:
            tried.append(f"{len(whole)} runs of `{short}`")
        if any(case.outcome == "failed" for case in runs):
            failed.append(f"`{short}`")
        elif skipped := [case for case in whole if case.outcome == "skipped"]:
            missing.append(f"`{short}`: {_plain(skipped[0].reason)}")
        elif not whole:
            missing.append(f"`{short}`")
    verdict: Verdict = "broken" if failed else "not run" if missing else "kept"
    done = "; ".join([promise.done, *tried]) if ran else "nothing"
    done = f"in part: {done}" if ran and missing else done
    return Row(promise, verdict, ", ".join(dict.fromkeys(failed or missing)), done, duration_s)


def _plain(reason: str) -> str:
    """A reason without what breaks a table, and without paths of the machine."""
    return re.sub(r"(?<!\S)/\S+", "…", reason.partition("\n")[0]).replace("|", " ")


def summary(rows: Sequence[Row], cases: Sequence[Case]) -> str:
    """How many promises were kept, in a sentence."""
    count = Counter(row.verdict for row in rows)
    return (
        f"The last campaign ({_span(_days(rows, cases)).lower()}): of {len(rows)} promises "
        f"{count['kept']} were kept, {count['broken']} broken, {count['not run']} not run."
    )


def page(rows: Sequence[Row], cases: Sequence[Case]) -> str:
    """The whole page."""
    seeds = sorted({case.seed for case in _named(rows, cases) if case.seed})
    python, seed = platform.python_version(), ", ".join(seeds) or "none"
    facts = f"{_span(_days(rows, cases))}; {_machine()}; Python {python}; seed {seed}."
    lines = [
        f"| {row.promise.text} | {row.tried} | {_outcome(row)} | {row.duration_s:,.0f} |" for row in rows
    ]
    tests = [
        f"- {row.promise.text} " + ", ".join(f"`{name.removeprefix('tests/')}`" for name in row.promise.tests)
        for row in rows
    ]
    end = "\n\n## Where it is tested\n\n" + "\n".join(tests)
    return _HEAD.format(facts=facts) + "\n".join(lines) + end + "\n"


def _named(rows: Iterable[Row], cases: Iterable[Case]) -> list[Case]:
    """Runs in full of what promises name."""
    names = {name for row in rows for name in row.promise.tests}
    return [case for case in cases if case.full and any(map(case.is_of, names))]


def _days(rows: Iterable[Row], cases: Iterable[Case]) -> list[str]:
    return sorted({case.day for case in _named(rows, cases)})


def _outcome(row: Row) -> str:
    return f"**{row.verdict}**" + (f" ({row.why})" if row.why else "")


def _span(days: Sequence[str]) -> str:
    if not days:
        return "Never run"
    return days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"


def _machine() -> str:
    """What it ran on, but not which machine that is."""
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    kernel = platform.release().partition("-")[0]
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {pages * page_bytes / 2**30:.0f} GiB of memory, {platform.system()} {kernel}"


def write(results: Path = RESULTS, to: Path = PAGE, quoted_in: Path = README) -> None:
    """Judge every promise by the results of a directory; write the page, and the sentence that quotes it."""
    cases = read_results(results)
    rows = [judge(promise, cases) for promise in PROMISES]
    to.write_text(page(rows, cases), encoding="utf-8")
    begin, end = MARKS
    before, _, rest = quoted_in.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    quoted_in.write_text(f"{before}{begin}\n{summary(rows, cases)}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    write()
