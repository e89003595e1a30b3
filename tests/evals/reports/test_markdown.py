import numpy as np

from coalmine_evals.gate import judge
from coalmine_evals.records import GateInput
from coalmine_evals.reports import CaseTexts, markdown
from coalmine_evals.results.gate import GateReport
from tests.support.evals.scores import case, metric, right


def _report(count: int = 200, *, names: str = "case-{}", capabilities: int = 0) -> GateReport:
    listed = [
        case(
            names.format(at), capabilities=[f"c{at % capabilities}"] if capabilities else [], must_pass=at < 2
        )
        for at in range(count)
    ]
    new = right(count // 2, count)
    new[0] = 0
    return judge(GateInput(listed, [metric(new, np.ones(count))], warnings=["the baseline is 9 days old"]))


def _written(report: GateReport, texts: dict[str, CaseTexts] | None = None, name: str = "refunds") -> str:
    return markdown(report, name=name, candidate="refund@1.1.0", baseline="refund@1.0.0", texts=texts)


def test_a_comment_says_what_matters_first() -> None:
    text = _written(_report())
    lines = text.splitlines()
    assert lines[0] == "<!-- coalmine-evals: refunds -->"
    assert lines[2] == "### harm shown: refund@1.1.0 against refund@1.0.0"
    assert text.index("must pass") < text.index("| metric |") < text.index("the baseline is 9 days old")
    assert "- `case-0`: `correct` 100 -> 0" in text


def test_the_five_worst_cases_come_with_their_difference() -> None:
    texts = {f"case-{at}": CaseTexts("Hello.\nYou get it.", "Hello.\nNo.") for at in range(200)}
    text = _written(_report(), texts)
    assert text.count("<details>") == 5
    assert "```diff\n Hello.\n-You get it.\n+No.\n```" in text


def test_an_answer_cannot_leave_its_block_or_hide_what_follows() -> None:
    evil = "```\n</details>\n# passes\n````\n@everyone\x1b[2J\u202e"
    text = _written(_report(), {f"case-{at}": CaseTexts("fine", evil) for at in range(200)})
    assert "`````diff" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_names_are_no_markdown() -> None:
    text = _written(_report(names="| <b>`x`{}@team"), name="x --> <script>")
    assert text.splitlines()[0] == "<!-- coalmine-evals: x ___ _script_ -->"
    assert "`/ <b>'x'0@team`" in text


def test_a_comment_is_never_longer_than_github_takes() -> None:
    long = {f"case-{at}": CaseTexts("a " * 20_000, "\U0001f600`" * 20_000) for at in range(3_000)}
    report = _report(3_000, capabilities=100)
    text = _written(report, long)
    assert len(text.encode("utf-16-le")) // 2 <= 65_536
    assert "| metric |" in text
    assert "and 41 more" in text


def test_what_has_no_room_is_said() -> None:
    report = _report(400, names="x" * 180 + "{}")
    wide = CaseTexts(
        "\n".join("\U0001f600" * 190 for _ in range(60)), "\n".join("b" * 190 for _ in range(60))
    )
    many = {each.case: wide for each in report.worst}
    text = _written(report, many)
    assert len(text.encode("utf-16-le")) // 2 <= 65_536
