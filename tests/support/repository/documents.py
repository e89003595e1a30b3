"""Runs or checks what a document shows."""

import io
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes.warm_command import warm_command
from tests.support.repository.markdown import Block
from tests.support.repository.shell_commands import can_run, command_lines, problem_with
from tests.support.repository.tree import ROOT

LANGUAGES = frozenset(
    {
        *("bash", "diff", "go", "html", "http", "javascript", "json", "mermaid", "python", "sql", "text"),
        *("toml", "yaml"),
    }
)
"""What a fenced block may be; "text" is for what is neither run nor parsed."""


class DocumentError(AssertionError):
    """A document shows what does not work."""


def shell_environment(home: Path) -> dict[str, str]:
    """A shell's environment in which `coalmine` is ours and keeps everything in `home`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COALMINE_")}
    folders = (warm_command().script_folder(), Path(sys.executable).parent, environment["PATH"])
    environment["PATH"] = os.pathsep.join(map(str, folders))
    return {**environment, "COALMINE_HOME": str(home), "NO_COLOR": "1"}


def reader_environment(home: Path) -> dict[str, str]:
    """The same for a reader who sets nothing: everything is kept below the home folder, on a free port."""
    environment = shell_environment(home)
    del environment["COALMINE_HOME"]
    return {**environment, "HOME": str(home), "COALMINE_SERVER_PORT": "0"}


def run_python(block: Block, namespace: dict[str, Any]) -> None:
    """Run a block's hidden setup and then the block, both in `namespace`."""
    setup = compile(block.setup, f"{block} (setup)", "exec", dont_inherit=True)
    # Line numbers of a traceback are then those of the document.
    shown = compile("\n" * (block.line - 1) + block.code, str(block.path), "exec", dont_inherit=True)
    with redirect_stdout(io.StringIO()):
        exec(setup, namespace)
        exec(shown, namespace)


def run_bash(block: Block, home: Path, *, only_check: bool = False, timeout_s: float = 300.0) -> None:
    """Run a block, or, when it holds a command no test can run, check that each of its commands exists.

    Raises:
        DocumentError: It failed, or names a command, target, option, extra or service there is not.
    """
    for words in command_lines(block.code):
        problem = problem_with(words)
        if problem is not None:
            raise DocumentError(f"{block}: {' '.join(words)}: {problem}")
    if only_check or not can_run(block.code):
        return
    done = _bash("-euo", block.code, ROOT, shell_environment(home), timeout_s)
    if done.returncode != 0:
        raise DocumentError(f"{block}: exit status {done.returncode}\n{done.stdout}{done.stderr}")


OPENAI = """
class OpenAI:
    def __init__(self):
        self.chat = self
        self.completions = self

    def create(self, **_):
        return {
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"finish_reason": "stop", "message": {"content": "Of course."}}],
            "usage": {"prompt_tokens": 812, "completion_tokens": 64},
        }
"""
"""Stands in for the provider's package, which would need a key."""


def follow(shown: Sequence[Block], folder: Path, *, timeout_s: float = 600.0) -> str:
    """Does what a reader does who starts in an empty folder and types every block, from top to bottom.

    Returns:
        What was printed, and which commands were run.

    Raises:
        DocumentError: Something on the way failed.
    """
    home, work, packages = (folder / name for name in ("home", "work", "packages"))
    for each in (home, work, packages):
        each.mkdir()
    (packages / "openai.py").write_text(OPENAI, encoding="utf-8")
    python, script = "", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    for block in shown:
        if block.language == "python":
            python += block.code
            script += f"python - <<'PYTHON'\n{python}PYTHON\n"
        elif block.language == "bash" and can_run(block.code.replace("coalmine serve &", "")):
            script += block.code
    environment = {**reader_environment(home), "PYTHONPATH": str(packages)}
    done = _bash("-euxo", script, work, environment, timeout_s)
    if done.returncode != 0:
        raise DocumentError(f"exit status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-6000:]}")
    return done.stdout + done.stderr


def _bash(
    options: str, script: str, folder: Path, environment: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", options, "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def check_data(block: Block, settings_names: Mapping[str, object]) -> None:
    """Parse a block of data; a TOML block that sets ours may only name settings there are.

    Args:
        block: The block.
        settings_names: The dotted names of our settings.
    """
    match block.language:
        case "json":
            json.loads(block.code)
        case "yaml":
            yaml.safe_load(block.code)
        case "toml":
            document = tomllib.loads(block.code)
            for table, values in document.items():
                names = [f"{table}.{key}" for key in values] if isinstance(values, dict) else [table]
                unknown = [name for name in names if name not in settings_names]
                if unknown and table not in {"project", "tool", "price", "auth", "coalmine"}:
                    raise DocumentError(f"{block}: no setting is called {unknown[0]}")
