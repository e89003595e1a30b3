"""Java programs from Maven Central, fetched once into a cache outside the tree.

`python -m tests.support.servers.maven_cache` fetches everything the tests start, as a step of its own.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

_POMS = Path(__file__).parent / "maven"
_OLDEST_JAVA = 17
KAFKA_POM = _POMS / "kafka.pom.xml"
"""Apache Kafka with its runtime dependencies, 46 jars, 43 MB."""
SPARK_POM = _POMS / "spark_kafka.pom.xml"
"""Spark's Kafka source, and beside it what Spark itself brings, 13 jars, 80 MB."""
SCHEMA_REGISTRY_POM = _POMS / "schema_registry.pom.xml"
"""Apicurio Registry, one archive, 140 MB."""
QUICK_START: Final = (
    *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    # An eighth of what a start costs. What Maven verified needs it not.
    *("-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"),
)
"""Options of a Java process that lives for seconds, one of many on the machine."""


class MavenError(Exception):
    """Maven could not fetch what a pom names; the message ends with Maven's own words."""


def java_command() -> str:
    """The `java` to run: of JAVA_HOME if set, else of the search path."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"


@lru_cache(maxsize=1)
def java_version() -> str:
    """What the `java` to run says of itself.

    Raises:
        OSError, SubprocessError: It does not run.
    """
    command = [java_command(), "-version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return shown.stderr + shown.stdout


@lru_cache(maxsize=1)
def missing_tools() -> str | None:
    """Why Java programs cannot be fetched and run here, or None when they can."""
    try:
        shown = java_version()
    except (OSError, subprocess.SubprocessError) as error:
        return f"no working Java ({java_command()}: {error})"
    version = re.search(r'version "(\d+)', shown)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        return f"Java is older than {_OLDEST_JAVA}: {shown.splitlines()[0]}"
    if shutil.which("mvn") is None:
        return "no Maven (mvn) on the search path"
    return None


def cache_directory() -> Path:
    """Where fetched programs are kept: `$XDG_CACHE_HOME/coalmine`, by default `~/.cache/coalmine`."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "coalmine"


def resolve(pom: Path) -> Path:
    """The folder with what a pom names, fetched if it is not in the cache yet.

    The folder's name holds the pom's digest, so a changed pom is fetched anew. Safe to call from
    several processes: one fetches, the others wait; a half-fetched folder is never seen.

    Raises:
        MavenError: Maven failed.
    """
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    return keep(f"{pom.name.removesuffix('.pom.xml')}-{digest}", lambda folder: _fetch(pom, folder))


def keep(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name in the cache, made if it is not there yet, by one process while others wait."""
    target = cache_directory() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.part-") as parent:
                made = Path(parent) / "made"
                make(made)
                made.rename(target)
    return target


def _fetch(pom: Path, directory: Path) -> None:
    command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={directory}"]
    # A registry that answers 503 for a moment should not fail a whole test run.
    for attempt in (1, 2, 3):
        done = subprocess.run(
            [*command, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            break
        if attempt == 3:
            raise MavenError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    for archive in directory.glob("*.tar.gz"):
        # Not `tarfile`: its safe extraction (`filter=`) is missing from Debian 12's Python 3.11.2.
        subprocess.run(["tar", "-xzf", str(archive), "-C", str(directory)], check=True)
        archive.unlink()


def main() -> int:
    """Fetch everything; the exit status says whether it worked."""
    reason = missing_tools()
    if reason is not None:
        sys.stderr.write(f"cannot fetch the test servers: {reason}\n")
        return 1
    for pom in (KAFKA_POM, SCHEMA_REGISTRY_POM, SPARK_POM):
        sys.stdout.write(f"{pom.name}: {resolve(pom)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
