"""The server installs beside what people have: no lower bound of ours is above an upper bound of theirs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository.tree import ROOT
from tests.support.servers.authorities import environment_of_the_system

_UV = Path(sys.executable).with_name("uv")
_NO_INDEX = ("error sending request", "failed to fetch", "network", "connect", "dns")


def _compile(folder: Path, other: str) -> subprocess.CompletedProcess[str]:
    (folder / "other.in").write_text(f"{other}\n", encoding="utf-8")
    command = [
        str(_UV),
        "pip",
        "compile",
        "pyproject.toml",
        str(folder / "other.in"),
        "--quiet",
        "--no-header",
    ]
    command += ["--extra", "server", "--extra", "dashboards", "--python-version", "3.11"]
    env = environment_of_the_system()
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "other",
    [
        "mlflow>=3.17",
        "litellm[proxy]>=1.100",
        "instructor>=1.17",
        "crewai>=1.15",
        "openapi-python-client>=0.29",
    ],
)
def test_the_server_installs_beside(other: str, tmp_path: Path) -> None:
    done = _compile(tmp_path, other)
    if done.returncode != 0 and any(word in done.stderr.lower() for word in _NO_INDEX):
        pytest.skip(f"the index of packages cannot be reached: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stderr


def test_a_conflict_would_be_noticed(tmp_path: Path) -> None:
    done = _compile(tmp_path, "fastavro<1")
    if any(word in done.stderr.lower() for word in _NO_INDEX):
        pytest.skip("the index of packages cannot be reached")
    assert "unsatisfiable" in done.stderr
