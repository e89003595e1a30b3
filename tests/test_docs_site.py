"""The documentation as a site: it builds without a warning, and its reference says what the code does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.reference import FOLDER, PAGES
from tests.support.repository.tree import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_says_what_the_code_does(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make reference`"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "tutorial.html").read_text(encoding="utf-8")
    assert "Tuesday, 16:00: the bad day" in page
    outside = [text for text in ("https://fonts.", "https://unpkg.", "cdn.") if text in page]
    assert not outside, "a page of the site asks others than its own server"
