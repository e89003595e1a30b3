"""Programs from Maven Central are fetched once, and never half."""

import stat
from pathlib import Path

import pytest

from tests.support.servers import maven_cache
from tests.support.servers.maven_cache import MavenError

# Stands in for Maven: it can run here without a network, and fail when told.
_MVN = """#!/bin/sh
echo run >> "{folder}/runs"
for argument in "$@"; do
  case "$argument" in -DoutputDirectory=*) out="${{argument#-DoutputDirectory=}}";; esac
done
mkdir -p "$out"
if [ -e "{folder}/broken" ]; then echo "Could not transfer artifact"; exit 1; fi
echo jar > "$out/some.jar"
mkdir "$out/packed" && echo inside > "$out/packed/file"
tar -czf "$out/archive.tar.gz" -C "$out" packed && rm -r "$out/packed"
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stand-in for `mvn`, first in the search path, and an empty cache."""
    script = tmp_path / "mvn"
    script.write_text(_MVN.format(folder=tmp_path), encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def _runs(maven: Path) -> int:
    return len((maven / "runs").read_text(encoding="utf-8").splitlines())


def test_a_pom_is_fetched_once_and_archives_are_unpacked(maven: Path) -> None:
    pom = maven / "thing.pom.xml"
    pom.write_text("<project/>", encoding="utf-8")
    first = maven_cache.resolve(pom)
    assert maven_cache.resolve(pom) == first
    assert _runs(maven) == 1
    assert first.parent == maven / "cache" / "coalmine"
    assert (first / "some.jar").is_file()
    assert (first / "packed" / "file").read_text(encoding="utf-8") == "inside\n"
    assert not list(first.glob("*.tar.gz"))


def test_a_changed_pom_is_fetched_anew(maven: Path) -> None:
    pom = maven / "thing.pom.xml"
    pom.write_text("<project/>", encoding="utf-8")
    first = maven_cache.resolve(pom)
    pom.write_text("<project><!-- newer --></project>", encoding="utf-8")
    assert maven_cache.resolve(pom) != first
    assert _runs(maven) == 2


def test_a_failed_fetch_is_tried_again_and_leaves_nothing_behind(maven: Path) -> None:
    pom = maven / "thing.pom.xml"
    pom.write_text("<project/>", encoding="utf-8")
    (maven / "broken").touch()
    with pytest.raises(MavenError, match="Could not transfer artifact"):
        maven_cache.resolve(pom)
    assert _runs(maven) == 3
    assert [path for path in maven_cache.cache_directory().iterdir() if path.is_dir()] == []
    (maven / "broken").unlink()
    assert (maven_cache.resolve(pom) / "some.jar").is_file()
