"""The gate's answer as JUnit XML, which every CI shows as tests."""

import re
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from coalmine_evals.gate.exit_codes import UndecidedAs
from coalmine_evals.gate.words import interval_words, points
from coalmine_evals.results.gate import CaseDifference, GateReport, GateRow, Outcome
from coalmine_schemas.safe_text import printable

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: GateReport, *, name: str, undecided: UndecidedAs | None = None) -> str:
    """Writes a test suite with a test for each row that decides and each case that must pass and did not.

    Args:
        report: The answer of the gate.
        name: Of the suite.
        undecided: What an undecided row counts as; None: as skipped, with its reason.
    """
    rows = [row for row in report.rows if row.decides]
    suite = Element("testsuite", name=_text(name), hostname="coalmine")
    kinds = [_row(suite, row, undecided) for row in rows]
    kinds += [_case(suite, each) for each in report.must_pass_failures]
    suite.set("tests", str(len(kinds)))
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(kinds.count(kind)))
    output = SubElement(suite, "system-out")
    output.text = _text("\n".join([report.sentence, *report.power, *report.warnings]))
    suites = Element("testsuites")
    suites.append(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suites, encoding="unicode")}\n'


def _row(suite: Element, row: GateRow, undecided: UndecidedAs | None) -> str | None:
    name = row.metric if row.capability is None else f"{row.metric} [{row.capability}]"
    test = SubElement(suite, "testcase", classname="gate", name=_text(name))
    must_be_shown = row.capability is None and not row.metric.endswith(": scored")
    kind = _kind(row.outcome, undecided if must_be_shown else "pass")
    if kind is not None:
        SubElement(test, kind, message=_text(row.reason), type=row.outcome).text = _text(interval_words(row))
    return kind


def _kind(outcome: Outcome, undecided: UndecidedAs | None) -> str | None:
    match outcome:
        case "pass":
            return None
        case "fail":
            return "failure"
        case "invalid":
            return "error"
        case "undecided":
            return {None: "skipped", "pass": None, "fail": "failure"}[undecided]


def _case(suite: Element, each: CaseDifference) -> str:
    test = SubElement(suite, "testcase", classname="must pass", name=_text(f"{each.case}: {each.metric}"))
    message = f"baseline {points(each.baseline)}, candidate {points(each.candidate)}"
    SubElement(test, "failure", message=_text(message), type="must pass")
    return "failure"


def _text(text: str) -> str:
    """Without what XML cannot hold."""
    return _NO_XML.sub("?", printable(text))
