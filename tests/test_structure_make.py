"""`make help` tells the truth, and CI runs what a developer runs."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.repository.tree import ROOT

_MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
_TARGETS = sorted(set(re.findall(r"^([a-z][a-z-]*):", _MAKEFILE, flags=re.MULTILINE)))


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_targets_people_need_are_there() -> None:
    assert {
        "setup",
        "demo",
        "test",
        "campaign",
        "lint",
        "format",
        "types",
        "bench",
        "lock",
        "clean",
        "ci",
        "help",
    } <= set(_TARGETS)


def test_help_lists_every_target_with_a_sentence() -> None:
    listed = dict(re.findall(r"^  make (\S+)\s+(\S.*)$", _make("help").stdout, flags=re.MULTILINE))
    assert sorted(listed) == _TARGETS
    assert all(len(sentence) > 10 for sentence in listed.values())


def test_every_target_is_phony() -> None:
    assert sorted(re.findall(r"^\.PHONY: (\S+)$", _MAKEFILE, flags=re.MULTILINE)) == _TARGETS


@pytest.mark.parametrize("target", _TARGETS)
def test_every_target_can_be_planned(target: str) -> None:
    done = _make("--dry-run", target)
    assert done.returncode == 0, done.stderr


def test_make_alone_formats_lints_checks_types_and_tests() -> None:
    planned = _make("--dry-run").stdout
    positions = [
        planned.index(words) for words in ("ruff format --quiet", "ruff format --check", "mypy", "pytest")
    ]
    assert positions == sorted(positions)


def test_a_second_setup_installs_nothing_and_a_new_lock_installs_again() -> None:
    unchanged = _make("--dry-run", "-o", "requirements.lock", "-o", "pyproject.toml", "setup")
    assert "pip install" not in unchanged.stdout
    for changed in ("requirements.lock", "pyproject.toml"):
        assert "--require-hashes" in _make("--dry-run", "-W", changed, "setup").stdout


def test_only_what_tests_or_checks_spark_installs_it() -> None:
    for target in ("test", "campaign", "types"):
        assert (
            "-r requirements-spark.lock" in _make("--dry-run", "-W", "requirements-spark.lock", target).stdout
        )
    for target in ("demo", "setup", "lint"):
        assert "spark" not in _make("--dry-run", "-W", "requirements-spark.lock", target).stdout


def test_every_extra_is_locked_and_only_spark_apart() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (together,) = re.findall(r"^EXTRAS := \$\(addprefix --extra ,(.*)\)$", makefile, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {*together.split(), "spark"} == set(project["project"]["optional-dependencies"])


def test_options_reach_the_commands() -> None:
    assert "coalmine demo --headless --json" in _make("-n", "demo", "DEMO_ARGS=--headless --json").stdout
    assert "--no-loadscope-reorder -k spool" in _make("-n", "test", "TEST_ARGS=-k spool").stdout
    assert "--numprocesses 7" in _make("-n", "test", "TEST_WORKERS=7").stdout
    assert "$(seq 7)" in _make("-n", "campaign", "CAMPAIGN_ROUNDS=7").stdout
    assert "-m benchmarks ingest" in _make("-n", "bench", "BENCH_ARGS=ingest").stdout


def test_ci_runs_the_same_targets_and_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 == 0o111
    run = re.findall(r"^make (\S+)", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert run == ["setup", "lint", "types", "test", "test-oldest"]


@pytest.mark.parametrize(
    ("variables", "index"),
    [
        ({"PIP_INDEX_URL": "https://pip/simple"}, "https://pip/simple"),
        ({"PIP_INDEX_URL": "https://pip/simple", "UV_INDEX_URL": "https://old/simple"}, "https://old/simple"),
        (
            {"UV_INDEX_URL": "https://old/simple", "UV_DEFAULT_INDEX": "https://uv/simple"},
            "https://uv/simple",
        ),
        ({"PIP_CONFIG_FILE": "pip.conf"}, "https://file/simple"),
        ({"PIP_CONFIG_FILE": "pip.conf", "PIP_INDEX_URL": "https://pip/simple"}, "https://pip/simple"),
        ({}, ""),
    ],
)
def test_the_oldest_versions_come_from_the_index_that_pip_is_told(
    tmp_path: Path, variables: dict[str, str], index: str
) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://file/simple\n", encoding="utf-8")
    (tmp_path / "python").symlink_to(sys.executable)
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$UV_DEFAULT_INDEX" >{tmp_path}/asked\nexit 1\n', encoding="utf-8")
    uv.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, **variables}
    if environment["PIP_CONFIG_FILE"] == "pip.conf":
        environment["PIP_CONFIG_FILE"] = str(tmp_path / "pip.conf")
    command = ["make", f"BIN={tmp_path}", "--assume-old=setup", "test-oldest"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert (tmp_path / "asked").read_text(encoding="utf-8").strip() == index, done.stderr


def test_pre_commit_calls_make_targets_and_nothing_else() -> None:
    entries = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert entries != []
    for entry in entries:
        command, *targets = entry.split()
        assert command == "make"
        assert set(targets) <= set(_TARGETS)
