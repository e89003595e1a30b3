import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from coalmine_evals.datasets.jsonl import digest_of, read_cases, text_of
from coalmine_evals.results.datasets import Case
from coalmine_schemas.mistakes import InvalidFile

FULL: dict[str, Any] = {
    "id": "refund-1",
    "variables": {"question": "Can I send it back?", "order": {"items": [1, 2.5, None]}},
    "expected": {"intent": "refund"},
    "capabilities": ["refunds", "language=en"],
    "cluster": "doc-7",
    "split": "dev",
    "must_pass": True,
    "source": "request:0190b5c0-0000-7000-8000-000000000001",
}


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return path


def mistakes(path: Path) -> list[str]:
    with pytest.raises(InvalidFile) as raised:
        read_cases(path)
    return list(raised.value.mistakes)


def test_a_case_has_what_its_line_says_and_defaults_for_the_rest(tmp_path: Path) -> None:
    full, short = read_cases(
        written(tmp_path / "c.jsonl", FULL, "", {"id": "b", "variables": {}, "expected": None})
    )
    assert full == Case(
        id="refund-1",
        variables=FULL["variables"],
        expected={"intent": "refund"},
        capabilities=("refunds", "language=en"),
        cluster="doc-7",
        split="dev",
        must_pass=True,
        source=FULL["source"],
    )
    assert (short.cluster, short.split, short.must_pass, short.capabilities) == ("b", "test", False, ())


@pytest.mark.parametrize("name", ["c.jsonl", "c.jsonl.gz"])
def test_what_is_written_is_read_as_the_same_cases_with_the_same_digest(tmp_path: Path, name: str) -> None:
    cases = read_cases(written(tmp_path / "first.jsonl", FULL, {"id": "ü", "variables": {"a": "\u2028"}}))
    (tmp_path / "again.jsonl").write_text(text_of(cases), encoding="utf-8")
    path = tmp_path / "again.jsonl"
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / name
    assert read_cases(path) == cases
    assert digest_of(read_cases(path)) == digest_of(cases)


def test_the_digest_is_of_cases_and_their_order_and_not_of_how_they_are_written(tmp_path: Path) -> None:
    one, two = {"id": "1", "variables": {"a": 1, "b": 2}}, {"id": "2", "variables": {}}
    plain = read_cases(written(tmp_path / "a", one, two))
    spelt = read_cases(
        written(
            tmp_path / "b", {"cluster": "1", "variables": {"b": 2, "a": 1}, "split": "test", "id": "1"}, two
        )
    )
    turned = read_cases(written(tmp_path / "c", two, one))
    assert digest_of(plain) == digest_of(spelt)
    assert digest_of(plain) != digest_of(turned)
    assert len(digest_of(plain)) == 64


def test_every_mistake_is_told_with_its_line_and_its_remedy(tmp_path: Path) -> None:
    good = {"id": "a", "variables": {}}
    found = mistakes(
        written(
            tmp_path / "cases.jsonl",
            good,
            {"id": "b", "variables": {}, "expectd": 1},
            {"variables": {}},
            {"id": "c", "variables": [1]},
            '{"id": "d"',
            "[1]",
            {"id": "a", "variables": {}},
            {"id": "e", "variables": {}, "split": "train"},
            {"id": "f", "variables": {}, "must_pass": "yes"},
            '{"id": "g", "id": "h", "variables": {}}',
            '{"id": "i", "variables": {"x": NaN}}',
            {"id": "bad\u0007id", "variables": {}},
            {"id": "j", "variables": {}, "capabilities": "refunds"},
        )
    )
    by_line = {each.split(":")[1]: each for each in found}
    assert [*by_line] == ["2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"]
    assert "did you mean expected?" in by_line["2"]
    assert "--map" in by_line["3"]
    assert "variables is a list" in by_line["4"]
    assert "not JSON" in by_line["5"]
    assert "one JSON object a line" in by_line["6"]
    assert "line 1 has it, too" in by_line["7"]
    assert "test" in by_line["8"]
    assert "true or false" in by_line["9"]
    assert "each key once" in by_line["10"]
    assert "finite" in by_line["11"]
    assert "printable" in by_line["12"]
    assert "give a list" in by_line["13"]
    assert all(each.startswith("cases.jsonl:") for each in found)


def test_a_file_of_many_mistakes_tells_the_first_ones_and_how_many_more(tmp_path: Path) -> None:
    found = mistakes(written(tmp_path / "c", *[{"id": str(at)} for at in range(1000)]))
    assert [each.partition(":")[0] for each in found[:5]] == ["c"] * 5
    assert found[5].startswith("... and 995 more like it: variables")
    assert len(found) == 6


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_a_file_without_a_case_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c").write_bytes(content)
    assert "no case" in mistakes(tmp_path / "c")[0]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "No such file" in mistakes(tmp_path / "none.jsonl")[0]
    (tmp_path / "c.gz").write_bytes(b"no gzip")
    assert "c.gz: cannot be read" in mistakes(tmp_path / "c.gz")[0]
    (tmp_path / "cut.gz").write_bytes(gzip.compress(json.dumps(FULL).encode() * 9)[:-20])
    assert "cut.gz: cannot be read" in mistakes(tmp_path / "cut.gz")[0]
    (tmp_path / "latin").write_bytes('{"id": "ü", "variables": {}}'.encode("latin-1"))
    assert "UTF-8" in mistakes(tmp_path / "latin")[0]


def test_a_line_of_any_length_is_read_no_further_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b'{"id": "' + b"a" * 50_000_000))
    assert "is too much" in mistakes(tmp_path / "bomb.gz")[0]
    deep = '{"id": "a", "variables": {"x": ' + "[" * 100_000 + "]" * 100_000 + "}}"
    assert "nest" in mistakes(written(tmp_path / "deep", deep))[0]
