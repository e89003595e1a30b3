"""What calls by providers' clients and by libraries leave as events, each style against what is right.

A local server answers as OpenAI, Anthropic, Google and Bedrock do. Each style calls it once in every
situation that can come to it: answered, cut at a limit, refused, failed with 400, 401, 429 and 500, of
streams broken off and closed early, and of clients that retry failed once. A style is `ok` when every
event has the right tokens, cost, finish reason, response model, outcome and error type, and the first
token lies where the server sent it.

With `--fresh` each library runs in a new virtual environment with its newest release, which takes minutes.

Run alone: `python -m benchmarks.integrations [--fresh] [--library NAME ...] [--json]`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.support.styles.check import Bench, bench, faults, first_token_faults
from tests.support.styles.libraries import PACKAGES, is_installed, styles_of
from tests.support.styles.style import Style

ROOT: Final = Path(__file__).parents[1]
PAUSE_S: Final = 0.05
DISTRIBUTIONS: Final = {
    "openai": ("openai",),
    "anthropic": ("anthropic",),
    "google_genai": ("google-genai",),
    "bedrock": ("boto3",),
    "litellm": ("litellm",),
    "langchain": ("langchain-openai", "langchain-anthropic"),
    "pydantic_ai": ("pydantic-ai-slim[openai]",),
    "openai_agents": ("openai-agents",),
}
"""What is installed of each library."""
HARNESS: Final = (
    "confluent-kafka",
    "openai",
    "psycopg[binary]",
    "pytest",
    "sqlalchemy",
    "starlette",
    "uvicorn",
)
"""What the styles' server and its reader need."""


@dataclass(frozen=True, slots=True)
class Row:
    """One style."""

    library: str
    """With its version."""
    style: str
    ok: bool
    wrong: list[str]
    """Each with the situation it was wrong in."""


def measured(style: Style, on: Bench) -> Row:
    """Calls by one style in every situation."""
    with tempfile.TemporaryDirectory() as home:
        found = faults(style, on, Path(home) / "faults")
        wrong = [f"{situation}: {word}" for situation, words in found.items() for word in words]
        if style.streams:
            on.providers.pause_s = PAUSE_S
            wrong += first_token_faults(style, on, Path(home) / "first")
            on.providers.pause_s = 0.0
    name = DISTRIBUTIONS[style.library][0].partition("[")[0]
    return Row(f"{style.library} {version(name)}", style.name, not wrong, wrong)


def here(libraries: list[str]) -> list[Row]:
    """The rows of the libraries that are installed in the running environment."""
    rows: list[Row] = []
    with bench() as on:
        for library in libraries:
            if not is_installed(library):
                print(f"{library} is not installed here: --fresh installs it", file=sys.stderr)
                continue
            rows += [measured(style, on) for style in styles_of(library)]
    return rows


def fresh(library: str) -> list[Row]:
    """The rows of one library's newest release, in a new virtual environment.

    Raises:
        RuntimeError: It cannot be installed, or the run failed.
    """
    with tempfile.TemporaryDirectory(prefix=f"coalmine-{library}-") as folder:
        python = Path(folder) / "bin" / "python"
        uv = [sys.executable, "-m", "uv"]
        wanted = (*DISTRIBUTIONS[library], *HARNESS)
        _run([*uv, "venv", "--python", sys.executable, folder])
        _run([*uv, "pip", "install", "--python", str(python), "--upgrade", "--editable", str(ROOT), *wanted])
        said = _run([str(python), "-m", "benchmarks.integrations", "--library", library, "--json"])
    return [Row(**row) for row in json.loads(said.splitlines()[-1])["rows"]]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def figures(rows: list[Row]) -> dict[str, Any]:
    """The line of JSON."""
    return {
        "integration_styles": len(rows),
        "integration_styles_ok": sum(row.ok for row in rows),
        "rows": [asdict(row) for row in rows],
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and, on request, a last line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.integrations", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--fresh", action="store_true", help="newest releases, in new virtual environments")
    parser.add_argument("--library", action="append", choices=PACKAGES, help="which ones (default: all)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    libraries = options.library or list(PACKAGES)
    rows = [row for library in libraries for row in fresh(library)] if options.fresh else here(libraries)
    print(f"\n{'library':<24}{'style':<34}{'ok':<5}wrong")
    for row in rows:
        print(f"{row.library:<24}{row.style:<34}{'yes' if row.ok else 'NO':<5}{'; '.join(row.wrong)[:90]}")
    print(f"\n{sum(row.ok for row in rows)} of {len(rows)} styles are right", flush=True)
    if options.json:
        print(json.dumps(figures(rows)), flush=True)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # some libraries leave threads that wait for a network
