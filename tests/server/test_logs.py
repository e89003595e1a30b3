"""Logs: one shape, on one stream, and never a secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from coalmine_server.logs import configure_logging
from coalmine_server.settings import LogSettings


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_libraries_write_the_same_json(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    configure_logging(LogSettings(format="json"), stream)
    structlog.stdlib.get_logger("coalmine.x").info("hello", rows=3)
    logging.getLogger("coalmine.y").warning("old %s", "school", extra={"rows": 4})
    first, second = lines(stream)
    assert (first["event"], first["rows"], first["logger"], first["level"]) == (
        "hello",
        3,
        "coalmine.x",
        "info",
    )
    assert (second["event"], second["rows"], second["level"]) == ("old school", 4, "warning")
    assert str(first["at"]).endswith("Z")
    assert capsys.readouterr().out == ""


def test_the_level_is_respected() -> None:
    stream = io.StringIO()
    configure_logging(LogSettings(format="json", level="warning"), stream)
    structlog.stdlib.get_logger("coalmine.x").info("not this")
    logging.getLogger("coalmine.y").info("nor this")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_masked_by_name_and_by_shape(form: str) -> None:
    stream = io.StringIO()
    configure_logging(LogSettings.model_validate({"format": form}), stream)
    log = structlog.stdlib.get_logger("coalmine.x")
    log.info(
        "said Bearer abcdefgh12345678 aloud",
        token="s3cr3t-a",
        sasl_password="s3cr3t-b",
        headers={"Authorization": "s3cr3t-c", "accept": "x"},
        url="kafka://me:s3cr3t-d@broker:9092/",
        seen=["cm_abcdefghijklmnopqrst", "plain"],
        input_tokens=37,
    )
    logging.getLogger("other").error("header Authorization: Bearer s3cr3t-eeeeeeee")
    try:
        raise ValueError("refused Bearer s3cr3t-ffffffff")
    except ValueError:
        log.exception("failed")
    text = stream.getvalue()
    assert "s3cr3t" not in text
    assert "abcdefgh" not in text
    assert "37" in text
    assert "plain" in text


def test_uvicorns_own_access_lines_are_off_because_they_have_the_query() -> None:
    stream = io.StringIO()
    configure_logging(LogSettings(format="json", level="debug"), stream)
    logging.getLogger("uvicorn.access").info("GET /v1/versions?prompt=x")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_a_terminal_would_obey_and_forged_lines_are_escaped(form: str) -> None:
    stream = io.StringIO()
    configure_logging(LogSettings.model_validate({"format": form}), stream)
    log = structlog.stdlib.get_logger("coalmine.x")
    log.warning("no prompt \x1b[2J\x9bm", name="a\nb\r\x1b]0;t\x07", more={"a": "\x1b[1A"})
    logging.getLogger("other").warning("one\ntwo\x00")
    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert not set(text) & set("\x00\x07\x0d\x1b\x9b")
