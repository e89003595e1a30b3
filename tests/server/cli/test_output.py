"""Tables on a terminal: nothing is folded, numbers are plain, NO_COLOR is kept; and CSV."""

import contextlib
import csv
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from coalmine_server.cli import output
from coalmine_server.cli.app import app
from tests.support.repository.tree import ROOT, tracked_files

TABLE = """
from coalmine_server.cli.output import write_table
write_table(
    ("metric", "verdict", "money", "when", "what it is"),
    [
        ("time_to_first_token_over_p95_rate", "no difference shown", 0.0000105, "12:00:00", "x" * 9),
        ("cost_per_request", "worse", -1794.25, "12:00:00", "a sentence of many words to be wrapped"),
    ],
    empty="nothing",
)
"""


def on_a_terminal(code: str, columns: int, env: Mapping[str, str]) -> str:
    """Everything that a program writes to a terminal of so many columns."""
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=terminal,
        stderr=terminal,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", **env},
    ) as process:
        os.close(terminal)
        written = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(screen, 4096):
                written += chunk
        assert process.wait(60) == 0, written
    os.close(screen)
    return written.decode().replace("\r\n", "\n")


HOSTILE = """
import sys
from coalmine_schemas.safe_text import PrintableStream
sys.stdout, sys.stderr = PrintableStream(sys.stdout), PrintableStream(sys.stderr)
from coalmine_server.cli.output import progress_bar, write_table
with progress_bar("reading", quiet=False) as advance:
    advance(1, 2)
write_table(("prompt", "calls"), [("a\\x1b[30;40mb\\nforged  9", 1), (["c\\x1b[31m"], 2)], empty="nothing")
"""


def test_a_progress_bar_moves_the_cursor_and_a_name_neither_colours_nor_forges_a_row() -> None:
    shown = on_a_terminal(HOSTILE, 100, {"NO_COLOR": ""})
    assert "\\u001b[?25" not in shown
    assert "\\u000d" not in shown
    assert "\x1b[30" not in shown
    assert "\x1b[31m" not in shown.split("prompt")[-1]
    assert "a\\u001b[30;40mb\\u000aforged  9" in shown


@pytest.mark.parametrize("columns", [40, 80, 100, 200])
def test_no_line_is_longer_than_the_screen_and_no_word_or_number_is_cut(columns: int) -> None:
    shown = on_a_terminal(TABLE, columns, {"NO_COLOR": "1"})
    assert "\x1b" not in shown
    assert "time_to_first_token_over_p95_rate" in shown
    table = shown.split("left out")[0]
    assert all(len(line.rstrip()) <= max(columns, 55) for line in table.splitlines())
    assert ("0.0000105" in shown) == (columns > 40)
    if columns < 200:
        assert "--wide shows all" in shown or "sentence of many" in shown


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "row",
    [
        ("tone", 1200, 0.0000105, None, ["a", "b"]),
        ("a sentence of many words", -5, None, True, []),
        ("", 0, 99.5, False, ["x" * 30, "y"]),
    ],
)
def test_a_table_in_a_pipe_is_what_rich_would_write(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    row: tuple[object, ...],
    wrapped: bool,
) -> None:
    rows = [row, ("other", 7, 1.5, True, ["z"])]
    columns = ("prompt", "requests", "USD/request", "told", "models")
    output.write_table(columns, rows, empty="nothing", wrapped=wrapped)
    plain = capsys.readouterr().out
    monkeypatch.setattr(output, "_fits", lambda *_: False)
    output.write_table(columns, rows, empty="nothing", wrapped=wrapped)
    assert cells(plain) == cells(capsys.readouterr().out)


def cells(table: str) -> list[list[str]]:
    """Releases of rich leave different room between columns."""
    return [re.split(" {2,}", line.strip()) for line in table.splitlines()]


def test_a_name_in_other_letters_keeps_the_columns_in_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.write_table(("prompt", "calls"), [("\u65e5\u672c", 1), ("tone", 2)], empty="nothing")
    _, letters, name = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert (letters[-1], name[-1]) == ("1", "2")
    assert len(letters) + 2 == len(name)  # each of the two letters takes two places on a screen


LONG_NAME = """
from coalmine_server.cli.output import write_table
columns = ("prompt", "version", "requests", "errors", "USD/request", "p95 ms", "quality")
write_table(columns, [("n" * 200, "1.0.0", 30, "0.0%", 0.000021, 12.5, 0.6)], empty="nothing")
"""


def test_one_long_name_pushes_out_no_column() -> None:
    shown = on_a_terminal(LONG_NAME, 80, {"NO_COLOR": "1"})
    assert "left out" not in shown
    assert "quality" in shown
    assert shown.count("n") > 200
    assert max(map(len, shown.splitlines())) <= 80


def test_a_table_for_people_is_wrapped_in_a_pipe_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = "treatment 1.1.0 10%, control 1.0.0 90%"
    columns = ("experiment", "status", "arms", "reason")
    row = ("tone", "running", words, "because we want to see whether it is better than the one before")
    output.write_table(columns, [row], empty="nothing", wrapped=True)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert sorted(shown.split()) == sorted(" ".join([*columns, *row]).split())


def test_colour_is_used_where_nobody_minds() -> None:
    assert "\x1b[1m" in on_a_terminal(TABLE, 80, {"NO_COLOR": ""})


def test_csv_has_the_fields_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output._FORMAT, "csv", True)
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        output.write_json([{"prompt": 'a,"b', "cost": 0.0000105, "models": ["x", "y"], "none": None}])
    (row,) = csv.DictReader(io.StringIO(written.getvalue()))
    assert row == {"prompt": 'a,"b', "cost": "1.05e-05", "models": '["x", "y"]', "none": ""}


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_csv_has_no_formulas(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(output._FORMAT, "csv", True)
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        output.write_json([{"reason": text, "change": -1.5}])
    (row,) = csv.DictReader(io.StringIO(written.getvalue(), newline=""))
    assert row == {"reason": f"'{text}", "change": "-1.5"}


NAMED = re.compile(r"[`\'](?:coalmine)(?: --home \S+)? ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?(?=[` \'\\\\n])")


def test_every_command_that_a_message_names_exists() -> None:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    known = {
        name: set(command.commands) if isinstance(command, TyperGroup) else set()
        for name, command in root.commands.items()
    }
    named = [
        (path, match)
        for path in tracked_files()
        if path.suffix == ".py" and path.parts[0] != "tests"
        for match in NAMED.finditer((ROOT / path).read_text(encoding="utf-8"))
    ]
    assert len(named) > 50
    wrong = [
        f"{path}: {match[0]}"
        for path, match in named
        if match[1] not in known or (known[match[1]] and match[2] not in {*known[match[1]], None})
    ]
    assert not wrong, "\n".join(wrong)
