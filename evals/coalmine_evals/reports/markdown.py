"""The gate's answer as Markdown: a comment that CI writes once and updates in place."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from coalmine_evals.gate.words import interval_words, points
from coalmine_evals.reports.texts import CaseTexts, difference
from coalmine_evals.results.gate import CaseDifference, GateReport, GateRow
from coalmine_schemas.safe_text import markdown_text, printable

MARKER: Final = "<!-- coalmine-evals: {name} -->"
"""First line of a comment: whoever writes the next one looks for it."""
LONGEST: Final = 65_536
"""Characters of a comment on GitHub."""

_MOST_ROWS: Final = 60
_MOST_NAMED: Final = 20
_WORST: Final = 5
_ANSWERS: Final = {
    "pass": "passes",
    "fail": "harm shown",
    "undecided": "undecided",
    "invalid": "invalid run",
}


def markdown(
    report: GateReport,
    *,
    name: str,
    candidate: str,
    baseline: str,
    texts: Mapping[str, CaseTexts] | None = None,
) -> str:
    """Writes a comment.

    Args:
        report: The answer of the gate.
        name: Of what is compared: with it the comment of the last time is found again.
        candidate: Name of the candidate, e.g. `support-refund@1.2.0`.
        baseline: Name of the baseline.
        texts: Answers by case, for the differences of the worst ones; without them only scores are shown.

    Returns:
        At most 65,536 characters; what has no room is left out from the end, and the comment says so.
    """
    head = [
        MARKER.format(name=_marker_name(name)),
        f"### {_ANSWERS[report.outcome]}: {markdown_text(candidate)} against {markdown_text(baseline)}",
        markdown_text(report.sentence),
        *_must_pass(report.must_pass_failures),
        *_table(report.rows),
        *_listed("What these cases can see", report.power),
        *_listed("Before you believe it", report.warnings),
    ]
    tail = [*_worst(report.worst, texts or {}), *_flaky(report.flaky)]
    return _fitted([*head, *tail])


def _must_pass(failures: Sequence[CaseDifference]) -> Iterable[str]:
    if failures:
        yield f"**Cases that must pass and did not ({len(failures)})**"
        lines = [f"- {_title(each)}" for each in failures[:_MOST_NAMED]]
        yield "\n".join([*lines, *_more(len(failures), _MOST_NAMED)])


def _table(rows: Sequence[GateRow]) -> Iterable[str]:
    lines = [
        "| metric | cases | baseline | candidate | difference | | |",
        "|---|---:|---:|---:|---|---|---|",
    ]
    for row in rows[:_MOST_ROWS]:
        name = (
            markdown_text(row.metric)
            if row.capability is None
            else f"- {markdown_text(row.capability)}: {markdown_text(row.metric)}"
        )
        outcome = f"**{row.outcome}**" if row.decides else "shown only"
        lines.append(
            f"| {name} | {row.cases:,} | {points(row.baseline)} | {points(row.candidate)} | "
            f"{interval_words(row)} | {outcome} | {markdown_text(row.reason)} |"
        )
    yield "\n".join([*lines, *_more(len(rows), _MOST_ROWS)])


def _worst(found: Sequence[CaseDifference], texts: Mapping[str, CaseTexts]) -> Iterable[str]:
    for each in found[:_WORST]:
        title = _title(each)
        if each.case not in texts:
            yield f"- {title}"
            continue
        body = difference(texts[each.case])
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", body)), 3)
        # A fence that holds a longer one than any in the text: an answer cannot end it.
        yield f"<details><summary>{_html(title)}</summary>\n\n{fence}diff\n{body}\n{fence}\n\n</details>"


def _flaky(found: Sequence[CaseDifference]) -> Iterable[str]:
    if found:
        names = ", ".join(f"{_code(each.case)} ({points(each.flicker)})" for each in found)
        yield f"**Cases that differ most between repeats** (standard deviation, in points): {names}"


def _listed(title: str, lines: Sequence[str]) -> Iterable[str]:
    if lines:
        yield f"**{title}**"
        shown = [f"- {markdown_text(line)}" for line in lines[:_MOST_NAMED]]
        yield "\n".join([*shown, *_more(len(lines), _MOST_NAMED)])


def _more(count: int, shown: int) -> list[str]:
    return [f"\nand {count - shown} more"] if count > shown else []


def _title(each: CaseDifference) -> str:
    return f"{_code(each.case)}: {_code(each.metric)} {points(each.baseline)} -> {points(each.candidate)}"


def _code(text: str) -> str:
    """As code: nobody is told of a name in it, and nothing in it is Markdown."""
    return f"`{printable(text, lines=False).replace('`', chr(39)).replace('|', '/')}`"


def _html(text: str) -> str:
    """Code as HTML: Markdown is not read in a summary."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub("`([^`]*)`", r"<code>\1</code>", escaped)


def _marker_name(name: str) -> str:
    return re.sub("[^A-Za-z0-9_.@/ -]", "_", name).replace("--", "__")[:200]


def _fitted(blocks: Sequence[str]) -> str:
    note = "_What has no room is left out; `--json` has all of it._"
    text, left_out = "", False
    for block in blocks:
        longer = f"{text}\n\n{block}" if text else block
        if _length(longer) + len(note) + 4 > LONGEST:
            left_out = True
            continue
        text = longer
    return f"{text}\n\n{note}\n" if left_out else f"{text}\n"


def _length(text: str) -> int:
    """In the units that GitHub may count: a sign beyond the first 65,536 of Unicode is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
