"""What every file of the repository obeys."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.repository.tree import PARTS, ROOT, packages, tracked_files

# Written in pieces, or this file would hold what it looks for.
_MACHINE_PATH = re.compile(
    r"(?<![\w.$}])/(?:"
    + "|".join(("home/[a-z]", "Users/[A-Za-z]", "root/", "work/[a-z]", "opt/wheels"))
    + r")"
    r"|[A-Z]:\\\\?Users" + r"|\." + r"pyenv/"
)
_BINARY = {".png", ".gif", ".jpg", ".ico", ".gz", ".avro", ".parquet", ".woff2"}


def _text_files() -> list[tuple[str, str]]:
    return [
        (path.as_posix(), (ROOT / path).read_text(encoding="utf-8"))
        for path in tracked_files()
        if path.suffix not in _BINARY
    ]


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    wrong = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in _text_files()
        for number, line in enumerate(text.splitlines(), 1)
        if _MACHINE_PATH.search(line)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cd /" + "home/somebody/project", True),
        ("open('/" + "Users/Somebody/x')", True),
        ("/" + "work/main/file", True),
        ("GET /homes", False),
        ("https://example.com/home/page", False),
        ("$HOME/work/thing", False),
        ("framework/", False),
    ],
)
def test_machine_paths_are_told_from_other_text(line: str, found: bool) -> None:
    assert (_MACHINE_PATH.search(line) is not None) is found


def test_files_end_with_a_newline_and_lines_without_blanks() -> None:
    wrong = []
    for name, text in _text_files():
        if text and not text.endswith("\n"):
            wrong.append(f"{name}: no newline at the end")
        if "\r" in text and not name.endswith(".csv"):
            wrong.append(f"{name}: Windows line ends")
        wrong += [
            f"{name}:{number}: blanks at the end"
            for number, line in enumerate(text.splitlines(), 1)
            if line != line.rstrip() and not name.endswith((".csv", ".md", "LICENSE"))
        ]
    assert not wrong, "\n".join(wrong)


def test_no_single_file_is_large() -> None:
    large = {path.as_posix(): (ROOT / path).stat().st_size for path in tracked_files()}
    assert {name: size for name, size in large.items() if size > 2_000_000} == {}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-image.lock", "requirements-spark.lock"])
def test_the_locks_name_no_registry_and_every_line_has_hashes(name: str) -> None:
    lock = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"https?://|--index|--find-links|--extra-index|file:", lock) == []
    pinned = re.findall(
        r"^([A-Za-z0-9_.-]+)==\S+.*\\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", lock, re.MULTILINE
    )
    named = re.findall(r"^[A-Za-z0-9_.-]+", lock, re.MULTILINE)
    assert [name for name, _ in pinned] == named
    assert len(named) > 50


def test_the_image_installs_the_versions_that_are_tested_and_no_tools() -> None:
    tested = _pins("requirements.lock")
    image = _pins("requirements-image.lock")
    of_package: dict[str, set[str]] = {}
    for (package, _), version in tested.items():
        of_package.setdefault(package, set()).add(version)
    other = {  # what more packages need is tested on more platforms
        pin: version
        for pin, version in image.items()
        if ({tested[pin]} if pin in tested else of_package.get(pin[0])) != {version}
    }
    assert other == {}
    assert {package for package, _ in image} & {
        "pytest",
        "mypy",
        "ruff",
        "testcontainers",
        "playwright",
        "uv",
    } == set()


def test_spark_changes_no_version_that_is_tested() -> None:
    tested, spark = _pins("requirements.lock"), _pins("requirements-spark.lock")
    assert {pin: version for pin, version in spark.items() if tested.get(pin, version) != version} == {}
    assert {"pyspark", "py4j"} <= {package for package, _ in spark}
    assert "pyspark" not in {package for package, _ in tested}  # `make demo` installs what is in there


def _pins(name: str) -> dict[tuple[str, str], str]:
    """Versions by package and environment marker."""
    found = re.findall(
        r"^([A-Za-z0-9_.-]+)==(\S+)([^\\\n]*)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE
    )
    return {(package, marker.strip()): version for package, version, marker in found}


def test_the_lock_covers_all_that_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = list(project["project"]["dependencies"])
    asked += [
        need for group in project["dependency-groups"].values() for need in group if isinstance(need, str)
    ]
    asked += [need for extra in project["project"]["optional-dependencies"].values() for need in extra]
    asked += project["build-system"]["requires"]
    locks = ("requirements.lock", "requirements-spark.lock")
    lock = "".join((ROOT / name).read_text(encoding="utf-8") for name in locks)
    locked = set(re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE))
    names = {re.split(r"[<>=!~\[ ]", need)[0].lower() for need in asked}
    assert sorted(names - locked - {"coalmine"}) == []  # an extra may name others of our own


def test_the_changelog_has_a_place_for_what_comes_next_and_the_version_of_now() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased"
    groups = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert groups <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_licence_is_the_one_pyproject_names() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"


def test_tests_are_no_package_and_lie_where_their_source_lies() -> None:
    tests = [path for path in tracked_files() if path.parts[0] == "tests"]
    assert [path.as_posix() for path in tests if path.name == "__init__.py"] == []
    # Beside the parts: tests of the house itself, of several parts together, of benchmarks and examples.
    folders = {path.parts[1] for path in tests if len(path.parts) > 2}
    assert folders <= {*PARTS, "house", "support", "torture", "benchmarks", "examples"}


def test_every_folder_of_tests_is_named_after_a_folder_or_module_of_its_part() -> None:
    sources = {path.with_suffix("") for path in tracked_files() if path.suffix == ".py"}
    there = sources | {folder for path in sources for folder in path.parents}
    wrong = []
    tests = [path for path in tracked_files() if path.parts[0] == "tests" and path.name.startswith("test_")]
    for folder in {path.parent for path in tests if len(path.parts) > 3}:
        part, *inside = folder.parts[1:]
        roots = [Path(part, package) for package, of_part in packages().items() if of_part == part]
        simulator = Path("producers", "coalmine_simulator", *inside[1:])  # the second package of its part
        mirrored = [root.joinpath(*inside) for root in roots]
        mirrored += [simulator] if inside[0] == "simulator" else []
        if part in PARTS and not any(name in there for name in mirrored):
            wrong.append(folder.as_posix())
    assert wrong == []


def test_every_sql_file_is_headed_by_what_it_is_for() -> None:
    wrong = [
        path.as_posix()
        for path in tracked_files()
        if path.suffix == ".sql" and not (ROOT / path).read_text(encoding="utf-8").startswith("--")
    ]
    assert not wrong, "\n".join(wrong)
