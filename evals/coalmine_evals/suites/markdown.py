"""A suite as a page for people: what good means for a prompt."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from coalmine_evals.results.datasets import Case
from coalmine_evals.suites.suite import Suite, SuiteMetric
from coalmine_schemas.prompts import percent
from coalmine_schemas.safe_text import markdown_text

_MOST_EXAMPLES: Final = 3
_LONGEST_EXAMPLE: Final = 300


def markdown_of(suite: Suite, cases: Sequence[Case] | None = None) -> str:
    """Returns the page.

    Args:
        suite: What it is about.
        cases: All of its dataset, to count and to show some; None: not known here.
    """
    lines = [f"# What good means for `{suite.prompt}`", ""]
    if suite.description:
        lines += [markdown_text(suite.description), ""]
    lines += [
        f"A version passes if it is not worse than the one before on the {_split(suite)} of the dataset "
        f"`{suite.dataset}`, by every metric below that decides. Each case is answered "
        f"{_times(suite.repeats)} per version. A run in which more than {percent(suite.unscored_limit)} of "
        "the answers have no score says nothing.",
        "",
        "## Metrics",
        "",
        "| metric | means | scorer | may be worse by | decides |",
        "|---|---|---|---|---|",
        *(_row(each) for each in suite.metrics),
        "",
    ]
    if cases is not None:
        lines += _cases(suite, cases)
    digest = suite.dataset_digest or "newest"
    lines += [
        "---",
        "",
        f"suite `{suite.name}` {suite.digest()[:12]}, dataset `{suite.dataset}` {digest[:12]}",
    ]
    return "\n".join(lines) + "\n"


def _row(metric: SuiteMetric) -> str:
    settings = f" `{_code(metric.settings)}`" if metric.settings else ""
    decides = "yes" if metric.role == "must" else "no: it is shown"
    means = markdown_text(metric.description or "")
    scorer = f"`{metric.scorer}`{settings}"
    return f"| {metric.name} | {means} | {scorer} | {percent(metric.margin)[:-1]} points of 100 | {decides} |"


def _cases(suite: Suite, cases: Sequence[Case]) -> list[str]:
    chosen = [each for each in cases if suite.split in ("all", each.split)]
    clusters = len({each.cluster for each in chosen})
    independent = "" if clusters == len(chosen) else f", in {clusters} groups that are independent"
    lines = ["## Cases", "", f"{len(chosen)} cases count{independent}.", ""]
    counts = Counter(capability for each in chosen for capability in each.capabilities)
    shown = suite.capabilities or sorted(counts)
    if shown:
        lines += ["| capability | cases |", "|---|---|"]
        lines += [f"| {markdown_text(each)} | {counts[each]} |" for each in shown]
        lines += [""]
    if must := [each for each in chosen if each.must_pass]:
        lines += ["## Must always be right", "", *(_example(each) for each in must[:50]), ""]
    examples = [each for each in chosen if not each.must_pass][:_MOST_EXAMPLES]
    if examples:
        lines += ["## Examples", "", *(_example(each) for each in examples), ""]
    return lines


def _example(case: Case) -> str:
    expected = "" if case.expected is None else f" → `{_code(case.expected)}`"
    return f"* {markdown_text(case.id)}: `{_code(case.variables)}`{expected}"


def _code(value: object) -> str:
    """JSON for a code span: on one line, cut, and without what would end the span or a cell of a table."""
    text = json.dumps(value, ensure_ascii=False, default=dict)
    cut = text if len(text) <= _LONGEST_EXAMPLE else text[:_LONGEST_EXAMPLE] + "…"
    return cut.replace("`", "'").replace("|", "¦")


def _split(suite: Suite) -> str:
    return "cases" if suite.split == "all" else f"`{suite.split}` cases"


def _times(repeats: int) -> str:
    return "once" if repeats == 1 else f"{repeats} times"
