"""Packages of npm, fetched once into the cache outside the tree."""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.servers.maven_cache import cache_directory

_OLDEST_NODE = 18


class NpmError(Exception):
    """npm could not fetch what a package names; the message ends with npm's own words."""


def missing_tools() -> str | None:
    """Why programs for Node cannot be fetched and run here, or None when they can."""
    if shutil.which("npm") is None:
        return "no npm on the search path"
    try:
        shown = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no working Node ({error})"
    major = shown.stdout.strip().lstrip("v").partition(".")[0]
    return (
        None if int(major) >= _OLDEST_NODE else f"Node is older than {_OLDEST_NODE}: {shown.stdout.strip()}"
    )


def installed(package: Path) -> Path:
    """A folder with the files of a package and what it depends on, fetched if they are not there yet.

    The folder's name holds the digest of its `package.json`. Safe to call from several processes.

    Raises:
        NpmError: npm failed.
    """
    digest = hashlib.sha256((package / "package.json").read_bytes()).hexdigest()[:12]
    target = cache_directory() / f"{package.name}-{digest}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.part-") as parent:
                fetched = Path(parent) / "fetched"
                fetched.mkdir()
                shutil.copy(package / "package.json", fetched)
                _fetch(fetched)
                fetched.rename(target)
        for path in package.glob("*.mjs"):
            shutil.copy(path, target)
    return target


def _fetch(folder: Path) -> None:
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    # A registry that answers 503 for a moment should not fail a whole test run.
    for attempt in (1, 2, 3):
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        if attempt == 3:
            raise NpmError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
