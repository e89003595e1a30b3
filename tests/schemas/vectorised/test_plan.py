"""Batches are decoded without pyruhvro, too: the same rows and failures, one by one."""

import subprocess
import sys

import pytest

from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver
from tests.support.campaign import CAMPAIGN
from tests.support.repository.tree import ROOT

_DECODES = ("tests/schemas/test_batch.py", "tests/schemas/test_batch_poison.py")
_LEFT_OUT = "not junk_takes_memory" if CAMPAIGN else "not junk_takes_memory and not any_mix"
"""What starts a process of its own, where pyruhvro is; and what takes long, since here both sides of the
comparison decode message by message."""


def test_everything_is_decoded_where_pyruhvro_is_not_installed() -> None:
    program = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    program += ["-p", "tests.support.doubles.no_pyruhvro", "-k", _LEFT_OUT, *_DECODES]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_log_says_so(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coalmine_schemas.batch.IS_FAST", False)
    BatchDecoder(SchemaResolver(None))
    assert "pyruhvro is not installed" in caplog.text
