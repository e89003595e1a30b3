"""Runs the real command and real servers in processes of their own, apart from this machine's settings."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.support.campaign import CAMPAIGN
from tests.support.eventually import eventually
from tests.support.processes.warm_command import CONSTANTS, WarmProcess, warm_command

COMMAND = [sys.executable, "-c", "from coalmine_server.cli import program; program()"]
"""The entry point `coalmine`, also where the scripts of this environment are not on the path."""


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with its own Coalmine settings removed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COALMINE_")}
    return {**kept, "COALMINE_HOME": str(home), "COLUMNS": "160", "TERM": "dumb", **(extra or {})}


def with_constants(**constants: float) -> dict[str, str]:
    """What an environment holds for a command to have other constants of our modules: a test then waits less.

    In a campaign they are what they are for users.

    Args:
        constants: By module and name, as `coalmine_server__workers__evals__LOOK_S`.
    """
    named = {":".join(name.replace("__", ".").rsplit(".", 1)): value for name, value in constants.items()}
    return {} if CAMPAIGN else {CONSTANTS: json.dumps(named)}


def coalmine(
    *arguments: str | Path,
    home: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120.0,
) -> subprocess.CompletedProcess[str]:
    """Runs the command in the home's folder and waits."""
    home.mkdir(parents=True, exist_ok=True)
    return warm_command().run(
        [str(argument) for argument in arguments],
        environment=environment(home, env),
        folder=home,
        timeout_s=timeout_s,
    )


def coalmine_json(*arguments: str | Path, home: Path, env: Mapping[str, str] | None = None) -> Any:
    """Runs a command with `--json` that must succeed; the whole of its standard output is one document."""
    result = coalmine(*arguments, "--json", home=home, env=env)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


class ServerProcess:
    """`coalmine serve` in a process of its own on a free port."""

    def __init__(
        self,
        home: Path,
        env: Mapping[str, str] | None = None,
        *,
        name: str = "server",
        part: str = "all",
        log: Path | None = None,
        cold: bool = False,
    ) -> None:
        """Start it.

        Args:
            home: Its home, which is made.
            env: Its settings, and whatever else its environment is to have.
            name: Of its log.
            part: What it serves.
            log: Where its log is, if not in the home.
            cold: Begin with a new interpreter, which takes seconds: the library that `LD_PRELOAD` names is
                loaded by that one alone.
        """
        self.home = home
        self._log = log or home / f"{name}.log"
        home.mkdir(parents=True, exist_ok=True)
        arguments = ["serve", part, "--port", "0"]
        variables = environment(home, {"COALMINE_LOG_FORMAT": "json", **(env or {})})
        with self._log.open("ab") as output:
            written_before = output.tell()
            self.process: WarmProcess | subprocess.Popen[bytes] = (
                subprocess.Popen(
                    [*COMMAND, *arguments], env=variables, cwd=home, stdout=output, stderr=output
                )
                if cold
                else warm_command().start(
                    arguments, environment=variables, folder=home, stdout=output, stderr=output
                )
            )
        try:
            self.url = eventually(
                lambda: self._listening(written_before),
                within_s=300 if cold else 60,
                what=f"listening\n{self.log_text()}",
            )
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise
        # One for all questions; making a context for TLS, which nobody needs here, takes 20 ms each time.
        self.web = httpx2.Client(base_url=self.url, timeout=60, trust_env=False, verify=False)

    def log_text(self) -> str:
        """Everything it wrote so far."""
        return self._log.read_text(encoding="utf-8")

    def log_lines(self) -> list[dict[str, Any]]:
        """Its log lines."""
        return [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]

    @property
    def token(self) -> str:
        """The token of its own user."""
        return (self.home / "credentials").read_text(encoding="utf-8").strip()

    def get(self, path: str, *, token: str | None = None, **options: Any) -> httpx2.Response:
        """A GET with the local token, or another."""
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        return self.web.get(path, headers=headers, **options)

    def json(self, path: str, **options: Any) -> Any:
        """The document at a path; the answer must be a success."""
        response = self.get(path, **options)
        assert response.is_success, response.text
        return response.json()

    def wait_ready(self) -> Self:
        """Waits until it says that it is ready."""
        eventually(lambda: self.web.get("/readyz").is_success, what="ready")
        return self

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Its exit code."""
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        """Asks it to end, and waits."""
        self.process.terminate()
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.web.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _listening(self, written_before: int) -> str | None:
        assert self.process.poll() is None, f"ended at once:\n{self.log_text()}"
        written = self._log.read_bytes()[written_before:].decode("utf-8")
        said = re.search(r"^coalmine listens on (\S+) ", written, re.MULTILINE)
        return None if said is None else said[1]
