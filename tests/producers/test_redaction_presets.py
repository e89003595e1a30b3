"""`redact="standard"`: what it finds in labelled texts, what it leaves alone, and what it costs."""

import json
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, event, example, given
from hypothesis import strategies as st

from coalmine import Coalmine, InvalidParameter
from coalmine.redaction_presets import StandardRedaction
from coalmine_schemas.check_digits import luhn
from tests.support.data.replies import OPENAI_CHAT
from tests.support.oracles.produced import spooled

_EXAMPLES: list[dict[str, Any]] = [
    json.loads(line)
    for line in Path(__file__).with_name("redaction_examples.jsonl").read_text("utf-8").splitlines()
]
_SECURITY = Path(__file__).parents[2] / "docs" / "security.md"


def _found(example: dict[str, Any]) -> bool:
    kept = StandardRedaction()(example["text"], "input_text")
    assert kept is not None
    return not any(personal in kept for personal in example["personal"])


def test_the_documented_counts_are_those_of_the_labelled_texts() -> None:
    all_of = Counter(each["kind"] for each in _EXAMPLES if each["personal"])
    found = Counter(each["kind"] for each in _EXAMPLES if each["personal"] and _found(each))
    documented = _SECURITY.read_text("utf-8")
    rows = [f"| {kind} | {found[kind]} of {count} |" for kind, count in all_of.items()]
    assert [row for row in rows if row not in documented] == []


@pytest.mark.parametrize("text", [each["text"] for each in _EXAMPLES if not each["personal"]])
def test_what_names_nobody_stays(text: str) -> None:
    assert StandardRedaction()(text, "input_text") == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("card 4111 1111 1111 1111 12 27", "card [card] 12 27"),
        ("IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF", "IBAN [iban] BIC COBADEFF"),
        ("GB82 WEST 1234 5698 7654 33", "GB82 WEST 1234 5698 7654 33"),  # its check digits are wrong
        ("from jo@example.com, 221B Baker Street", "from [email], [street]"),
    ],
)
def test_only_what_was_recognised_is_replaced(text: str, kept: str) -> None:
    assert StandardRedaction()(text, "input_text") == kept


def _cards_masked_slowly(text: str) -> str:
    """Tries each part of the groups from the longest."""
    groups = text.split(" ")
    for first, last in sorted(combinations(range(len(groups) + 1), 2), key=lambda each: (each[0], -each[1])):
        digits = "".join(groups[first:last])
        if last - first <= 19 and 13 <= len(digits) <= 19 and digits[0] in "23456" and luhn(digits):
            rest = " ".join(groups[last:])
            kept = [*groups[:first], "[card]", *([_cards_masked_slowly(rest)] if rest else [])]
            return " ".join(kept)
    return text


@st.composite
def _groups(draw: st.DrawFn) -> list[str]:
    """13 to 45 digits in groups, none of which begins like a number of a phone."""
    digits = draw(st.from_regex(r"[1-9][0-9]{12,44}", fullmatch=True))
    cuts = draw(st.sets(st.integers(1, len(digits) - 1), max_size=64 - len(digits)))
    at = [0, *sorted(cut for cut in cuts if digits[cut] != "0"), len(digits)]
    return [digits[first:last] for first, last in pairwise(at)]


@given(_groups())
@example(["5", "4", "1"] * 10)
@example(["12", "4111", "1111", "1111", "1111", "4111111111111111"])
def test_cards_among_any_groups_of_digits_are_masked(groups: list[str]) -> None:
    text = " ".join(groups)
    kept = StandardRedaction()(text, "input_text")
    assert kept is not None
    event("[card]" if "[card]" in kept else "[phone]" if "[phone]" in kept else "nothing")
    # Where other patterns see a number of a phone, nothing is said of cards.
    assume("[phone]" not in kept)
    assert kept == _cards_masked_slowly(text)


@pytest.mark.parametrize(
    "text",
    [
        *("1" * 200_000, "1 " * 100_000, "a@" * 100_000, "a." * 100_000, "DE89 " * 40_000, "sk-" * 70_000),
        *("-----BEGIN PRIVATE KEY-----" * 7_000, "password=" * 20_000, "eyJ" * 70_000, "0 00 " * 40_000),
        *("5 4 1 " * 30_000, "41-" * 60_000),
        *("1 Aa " * 40_000, "Aa" * 100_000, "://:" * 50_000, "::" * 100_000, "tel. " * 40_000, "(" * 200_000),
    ],
)
def test_its_time_is_in_proportion_to_the_text(text: str) -> None:
    # Quadratic, each would take hours.
    assert isinstance(StandardRedaction()(text, "input_text"), str)


def test_a_client_masks_texts_and_segments_and_drops_units_that_are_addresses(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, capture_text=True, redact="standard") as cm:
        with cm.call("p", version="1", unit_id="jo@example.com", segments={"from": "jo@example.com"}) as call:
            call.record(OPENAI_CHAT, input_text="I am jo@example.com", output_text="Hello")
        with cm.call("p", version="1", unit_id="4111111111111111") as number:
            number.record(OPENAI_CHAT)
        assert cm.flush(60)
    first, second = (one.record for one in spooled(tmp_path))
    assert (first["input_text"], first["segments"]) == ("I am [email]", {"from": "[email]"})
    assert first["unit_id"] == first["request_id"]
    assert (second["unit_id"], second["prompt"]) == ("4111111111111111", "p")


def test_hashed_units_stay_one_unit(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, redact="standard", unit_ids="hashed", unit_id_key="k") as cm:
        for _ in range(2):
            with cm.call("p", version="1", unit_id="jo@example.com") as call:
                call.record(OPENAI_CHAT)
        assert cm.flush(60)
    units = {one.record["unit_id"] for one in spooled(tmp_path)}
    assert len(units) == 1
    assert "jo@example.com" not in units


@pytest.mark.parametrize("redact", ["strict", "", 3, ["standard"]])
def test_a_preset_that_does_not_exist_is_refused(tmp_path: Path, redact: Any) -> None:
    with pytest.raises(InvalidParameter, match="redact must be a function or 'standard'"):
        Coalmine("bot", home=tmp_path, redact=redact)


def test_a_text_too_long_to_be_sent_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []

    def look(self: StandardRedaction, text: str, field: str) -> str:
        del self, field
        shown.append(len(text))
        return text

    monkeypatch.setattr(StandardRedaction, "__call__", look)
    with Coalmine(
        "bot", home=tmp_path, capture_text=True, redact="standard", max_message_bytes=100_000
    ) as cm:
        with cm.call("p", version="1", segments={"a": "x" * 100_001}) as call:
            call.record(input_text="short", output_text="x" * 100_001)
        cm.feedback(call.request_id, correction="x" * 100_001)
        assert cm.flush(30)
        assert cm.stats().problems == {"text_too_long": 3}
    request, feedback = (each.record for each in spooled(tmp_path))
    assert (request["input_text"], request["output_text"], request["segments"]) == ("short", None, {})
    assert feedback["correction"] == ""  # that there was one
    assert max(shown) < 100
