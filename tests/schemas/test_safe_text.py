"""Text of strangers: credentials masked, terminal controls escaped, in time linear in its length."""

import io
import json
import sys
import time
import unicodedata

import pytest

from coalmine_schemas.safe_text import MASK, PrintableStream, masked, printable

LONG = 200_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kafka://me:secret@broker:9092/", f"kafka://{MASK}@broker:9092/"),
        ("postgresql+psycopg://u:p@ss@host/db", f"postgresql+psycopg://{MASK}@host/db"),
        ("postgresql://u:pa/ss@host/db", f"postgresql://{MASK}@host/db"),
        ("https://ghp_token@example.com/x", f"https://{MASK}@example.com/x"),
        (
            "cannot reach 'http://a:b@h:1', nor ann@example.com",
            f"cannot reach 'http://{MASK}@h:1', nor ann@example.com",
        ),
        ('{"a":"x://u:p@h","b":"c@d"}', f'{{"a":"x://{MASK}@h","b":"c@d"}}'),
        ("two: a://u:p@h b://v:q@i", f"two: a://{MASK}@h b://{MASK}@i"),
        ("http://127.0.0.1:8321/v1/prompts/a@b", "http://127.0.0.1:8321/v1/prompts/a@b"),
        ("http://host/path/a@b", "http://host/path/a@b"),
        ("said Bearer abcdefgh12345678 aloud", f"said {MASK} aloud"),
        ("cm_abcdefghijklmnopqrst", MASK),
    ],
)
def test_credentials_are_masked_and_nothing_else(text: str, shown: str) -> None:
    assert masked(text) == shown


PIECES = ("a", "a+", "://", "a://", "a://b:", "a://b:c", "://a:@", "@", ":", "://a:1/", " ", "a.", "=/")
WORDS = ("bearer ", "bearer", "basic\t", "cm_")
ENDS = (("", ""), ("://", ""), ("x://u:", ""), ("bearer ", "!"), ("", "@"), ("://", "@"))


@pytest.mark.parametrize("piece", PIECES + WORDS)
@pytest.mark.parametrize("ends", ENDS)
def test_no_text_costs_more_than_its_length(piece: str, ends: tuple[str, str]) -> None:
    text = ends[0] + piece * (LONG // len(piece)) + ends[1]
    began = time.process_time()
    masked(text)
    printable(text, lines=False)
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\u001b[2J\\u001b]0;title\\u0007"),
        ("a\x00b\rc\x9b31m\x7f", "a\\u0000b\\u000dc\\u009b31m\\u007f"),
        ("\u202egnp.exe\u2028", "\\u202egnp.exe\\u2028"),
        ("\ud800", "\\ud800"),
        ("plain ünïcode 日本 👍", "plain ünïcode 日本 👍"),
        ("refund\u200b", "refund\\u200b"),
        ("\ufeffrefund\u00a0\u2060\u00ad", "\\ufeffrefund\\u00a0\\u2060\\u00ad"),
        ("re\u200dfund\ufe0f", "re\\u200dfund\\ufe0f"),
        ("\u061c\u200e\u200f\u2067\u3164", "\\u061c\\u200e\\u200f\\u2067\\u3164"),
        ("x\U000e0041", "x\\udb40\\udc41"),
        (
            "\u06cc\u200c\u062e \u2764\ufe0f \U0001f469\u200d\U0001f4bb",
            "\u06cc\u200c\u062e \u2764\ufe0f \U0001f469\u200d\U0001f4bb",
        ),
    ],
)
def test_what_a_terminal_would_obey_or_nobody_sees_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_nothing_that_unicode_calls_a_control_a_format_or_a_blank_is_shown_as_it_is() -> None:
    unseen = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
    passing = {
        each
        for each in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(each) in unseen and printable(f"a{each}", lines=False) == f"a{each}"
    }
    assert passing == {" "}


def test_lines_stay_lines_unless_they_could_be_forged() -> None:
    assert printable("a\tb\nc") == "a\tb\nc"
    assert printable("a\tb\nc", lines=False) == "a\\u0009b\\u000ac"


def test_a_json_document_keeps_its_content() -> None:
    value = {"name": "\x9b31m\u202e\x7f\U000e0041"}
    shown = printable(json.dumps(value, ensure_ascii=False))
    assert not set(shown) & {"\x9b", "\u202e", "\x7f"}
    assert json.loads(shown) == value


def test_a_stream_keeps_colours_and_escapes_the_rest() -> None:
    stream = io.StringIO()
    PrintableStream(stream).write("\x1b[1;31mred\x1b[0m \x1b[0;8mhidden \x1b[2Jcleared \x1b]0;title\x07\n")
    assert stream.getvalue() == (
        "\x1b[1;31mred\x1b[0m \\u001b[0;8mhidden \\u001b[2Jcleared \\u001b]0;title\\u0007\n"
    )
