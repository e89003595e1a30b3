import asyncio
from pathlib import Path

import pytest

from coalmine_evals.datasets.jsonl import read_cases, text_of
from coalmine_evals.datasets.promptfoo import FromPromptfoo, read_promptfoo
from coalmine_evals.scorers.registry import scorer_of
from coalmine_evals.suites.cases import cases_beside
from coalmine_evals.suites.read import read_suite
from coalmine_evals.suites.write import write_digest, write_suite
from coalmine_schemas.mistakes import InvalidFile

CONFIG = """
description: Support
prompts: [file://prompt.txt]
providers: [openai:gpt-4o-mini]
defaultTest:
  vars: {tone: kind}
  assert:
    - type: icontains
      value: "{{ order }}"
tests:
  - description: Late parcel
    vars: {question: "Where is it?", order: A1}
    metadata: {topic: delivery}
    assert:
      - {type: icontains, value: soon, threshold: 0.5}
      - {type: llm-rubric, value: Says sorry}
      - {type: cost, threshold: 0.001}
  - vars: {question: ["Refund?", "Money back?"], order: B2}
    assert:
      - {type: regex, value: '\\d+ days'}
      - {type: is-json}
    options: {transform: x}
"""


def imported(tmp_path: Path, text: str) -> FromPromptfoo:
    (tmp_path / "promptfooconfig.yaml").write_text(text)
    return read_promptfoo(tmp_path / "promptfooconfig.yaml", dataset="support-cases", prompt="support")


def test_tests_become_cases_and_assertions_metrics(tmp_path: Path) -> None:
    found = imported(tmp_path, CONFIG)
    late, refund, money = found.cases
    assert late.id == "Late parcel"
    assert late.variables == {"tone": "kind", "question": "Where is it?", "order": "A1"}
    assert late.expected == {"icontains": ["A1", "soon"], "llm_rubric": "Says sorry"}
    assert late.capabilities == ("topic=delivery",)
    assert [each.variables["question"] for each in (refund, money)] == ["Refund?", "Money back?"]
    assert money.expected == {"icontains": "B2", "regex": r"\d+ days", "is_json": {}}
    metrics = {each.name: each for each in found.suite.metrics}
    assert {name: each.role for name, each in metrics.items()} == {
        "icontains": "must",
        "llm_rubric": "advisory",
        "regex": "advisory",
        "is_json": "advisory",
    }
    assert metrics["icontains"].settings == {"ignore_case": True, "field": "icontains"}
    assert (found.suite.prompt, found.suite.dataset, found.suite.file) == (
        "support",
        "support-cases",
        "support-cases.jsonl",
    )
    assert found.left_out == [
        "left out: `threshold` of assertions, 1 times",
        "left out: assertion cost, 1 times",
        "left out: `options` of tests, 1 times",
        "llm_rubric is asserted of 1 of 3 cases, and the others have no score of it",
        "regex is asserted of 2 of 3 cases, and the others have no score of it",
        "is_json is asserted of 2 of 3 cases, and the others have no score of it",
    ]
    for metric in found.suite.metrics:
        scorer_of(metric.scorer, metric.settings)


@pytest.mark.parametrize(
    ("kind", "value", "right", "wrong"),
    [
        ("equals", "yes", "yes", "no"),
        ("contains", "B2", "the B2 order", "the b2 order"),
        ("icontains", "B2", "the b2 order", "nothing"),
        ("contains-any", "[a1, b2]", "only b2", "c3"),
        ("contains-all", "[a1, b2]", "b2 and a1", "a1"),
        ("contains-any", "'a1, b2'", "only b2", "c3"),
        ("contains-all", """'a1,"b2, c3" '""", "b2, c3 and a1", "a1, b2"),
        ("icontains-any", "A1", "a1", "b2"),
        ("not-contains", "sorry", "fine", "sorry!"),
        ("starts-with", "Dear (A)", "Dear (A), no", "Hello, Dear (A)"),
        ("regex", "'[0-9]+ days'", "14 days", "days"),
        ("not-regex", "'[0-9]+ days'", "days", "14 days"),
        ("is-json", "{type: object, required: [a]}", '{"a": 1}', '{"b": 1}'),
        ("is-json", """'{"type": "object", "required": ["a"]}'""", '{"a": 1}', '{"b": 1}'),
        ("contains-json", '"type: object\\nrequired: [a]"', '```json\n{"a": 1}\n```', '{"b": 1}'),
    ],
)
def test_an_assertion_judges_here_as_it_does_there(
    tmp_path: Path, kind: str, value: str, right: str, wrong: str
) -> None:
    found = imported(tmp_path, f"tests: [{{vars: {{q: x}}, assert: [{{type: {kind}, value: {value}}}]}}]")
    (metric,) = found.suite.metrics
    scorer = scorer_of(metric.scorer, metric.settings)
    scores = [asyncio.run(scorer.score(found.cases[0], each)).value for each in (right, wrong)]
    assert scores == [1.0, 0.0]


def test_a_file_of_tests_is_read_and_what_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text(
        "- vars: {q: 1}\n  assert: [{type: equals, value: a}]\n- vars: {q: 2}\n"
    )
    assert len(imported(tmp_path, "tests: file://tests.yaml").cases) == 2
    for text, told in (
        ("tests: file://tests.csv", "--map"),
        ("tests: file://../x.yaml", "same folder"),
        ("tests: file://none.yaml", "cannot be read"),
        ("tests: []", "nothing is there to import"),
        ("tests: [{vars: {q: file://x.txt}}]", "tests[0].vars.q is 'file://x.txt': write the text itself"),
        ("tests: [{assert: [{type: equals}]}]", "tests[0].assert[0].value is None: equals needs one"),
        ("tests: [[]]", "tests[0] is a list"),
        ("tests: [{assert: [{type: is-json, value: 'a: b: c'}]}]", "write the JSON Schema as YAML"),
        ("a: &x 1\nb: *x", "aliases"),
        (
            "tests: [{vars: {a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], b: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "
            "c: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], d: [1, 2]}}]",
            "2000 combinations",
        ),
    ):
        with pytest.raises(InvalidFile) as raised:
            imported(tmp_path, text)
        assert told in str(raised.value)
        assert "promptfooconfig.yaml" in str(raised.value)


def test_a_template_is_filled_with_variables_and_what_it_does_beyond_is_left_out(tmp_path: Path) -> None:
    text = """
tests:
  - vars: {q: "Where is {{ order }}?", order: A1, shout: "{{ order | upper }}"}
    assert:
      - {type: contains, value: "{{ order }}"}
      - {type: icontains, value: "{{ order | lower }}"}
      - {type: contains-any, value: [A1, "{% if q %}B2{% endif %}"]}
"""
    found = imported(tmp_path, text)
    assert found.cases[0].variables["q"] == "Where is A1?"
    assert found.cases[0].expected == {"contains": "A1"}
    assert found.left_out[:3] == [
        "left out: what a template makes of a variable, 1 times",
        "left out: assertion icontains of a template, 1 times",
        "left out: assertion contains-any of a template, 1 times",
    ]


def test_tests_without_assertions_we_know_say_so(tmp_path: Path) -> None:
    found = imported(tmp_path, "tests: [{vars: {q: 1}, assert: [{type: javascript, value: x}]}]")
    assert found.left_out[-1].startswith("no assertion was taken over")


def test_the_suite_is_written_as_a_file_that_reads_back_and_takes_its_digest(tmp_path: Path) -> None:
    found = imported(tmp_path, CONFIG)
    path = tmp_path / "support.yaml"
    write_suite(path, found.suite)
    (tmp_path / "support-cases.jsonl").write_text(text_of(found.cases), encoding="utf-8")
    assert read_suite(path) == found.suite
    digest = cases_beside(read_suite(path), path).suite.dataset_digest
    assert digest is not None
    before = path.read_text()
    assert write_digest(path, digest)
    assert not write_digest(path, digest)
    assert path.read_text().replace(f'dataset_digest: "{digest}"\n', "") == before
    assert write_digest(path, "0" * 64)
    assert read_suite(path).dataset_digest == "0" * 64
    assert read_cases(tmp_path / "support-cases.jsonl") == found.cases
