"""Logging that waits for its first record writes it as it would have been written at once."""

import json
import subprocess
import sys
from typing import Any

_START = """
import logging, sys
from coalmine_server.late_logs import configure_later, configure_now
from coalmine_server.settings import LogSettings

def configure(settings):
    from coalmine_server.logs import configure_logging
    configure_logging(settings)

configure_later(LogSettings(format="json", level="warning"), configure)
logging.getLogger("coalmine.client").info("not important")
logging.getLogger("httpx2").info("not ours")
assert "structlog" not in sys.modules
"""


def _lines(program: str) -> list[dict[str, Any]]:
    """What a program logs; it writes nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", _START + program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_the_first_record_is_written_with_its_values_and_secrets_are_masked() -> None:
    first, second = _lines("""
log = logging.getLogger("coalmine.client")
log.warning("waiting for the server", extra={"url": "http://a:secret@b", "reason": "it starts"})
log.error("and again")
""")
    assert first | {"at": ""} == {
        "at": "",
        "event": "waiting for the server",
        "level": "warning",
        "logger": "coalmine.client",
        "reason": "it starts",
        "url": "http://********@b",
    }
    assert (second["event"], second["level"]) == ("and again", "error")


def test_what_is_set_up_before_structlog_logs_is_as_the_settings_say() -> None:
    (line,) = _lines("""
configure_now()
import structlog

log = structlog.stdlib.get_logger("coalmine.store")
log.info("not important")
log.warning("something", rows=3)
""")
    assert (line["event"], line["logger"], line["rows"]) == ("something", "coalmine.store", 3)


def test_nothing_is_written_where_nothing_is_logged() -> None:
    assert _lines("assert 'structlog' not in sys.modules") == []
