"""The wheel holds our packages with their data, and nothing else."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.repository.tree import PARTS, ROOT, packages, tracked_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel, built as a release would be."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.Path(built)


def _names(wheel: zipfile.Path) -> set[str]:
    return set(wheel.root.namelist())


def test_its_top_level_names_are_our_packages(wheel: zipfile.Path) -> None:
    top = {name.partition("/")[0] for name in _names(wheel)}
    ours = {name for name in top if not name.endswith(".dist-info")}
    assert ours == set(packages())
    assert all(name.startswith("coalmine") for name in ours), "a bare name would break somebody's own module"


def test_every_file_of_every_package_is_in_it(wheel: zipfile.Path) -> None:
    part_of = packages()
    expected = {
        "/".join(path.parts[1:])
        for path in tracked_files()
        if len(path.parts) > 2 and path.parts[1] in part_of
    }
    assert sorted(expected - _names(wheel)) == []


@pytest.mark.parametrize(
    "kind", ["py.typed", ".avsc", ".sql", ".yaml", "catalogue.json", "published_prices.toml"]
)
def test_data_files_of_each_kind_are_in_it(kind: str, wheel: zipfile.Path) -> None:
    assert [name for name in _names(wheel) if name.endswith(kind)] != []


def test_every_folder_with_modules_is_a_package() -> None:
    modules = [path for path in tracked_files() if path.suffix == ".py" and path.parts[0] in PARTS]
    bare = {path.parent for path in modules if not (ROOT / path.parent / "__init__.py").exists()}
    assert bare == set()


def test_every_package_says_that_it_is_typed(wheel: zipfile.Path) -> None:
    assert {f"{package}/py.typed" for package in packages()} <= _names(wheel)


def test_it_holds_no_tests_and_no_benchmarks(wheel: zipfile.Path) -> None:
    wrong = [name for name in _names(wheel) if Path(name).name.startswith("test_") or "benchmarks" in name]
    assert wrong == []


def test_the_base_install_stays_small(wheel: zipfile.Path) -> None:
    (metadata,) = (name for name in _names(wheel) if name.endswith(".dist-info/METADATA"))
    lines = wheel.root.read(metadata).decode("utf-8").splitlines()
    needs = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    base = {need.partition(">")[0] for need in needs if "extra ==" not in need}
    assert base == {"fastavro", "genai-prices", "httpx2", "jinja2"}


def test_the_licence_travels_with_it(wheel: zipfile.Path) -> None:
    assert [name for name in _names(wheel) if name.endswith("/LICENSE")] != []


def test_pyproject_names_every_part_everywhere() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    part_of = packages()
    parts = set(part_of.values())
    assert set(config["hatch"]["build"]["dev-mode-dirs"]) == parts
    folders = {f"{part}/{package}" for package, part in part_of.items()}
    assert set(config["hatch"]["build"]["targets"]["wheel"]["packages"]) == folders
    assert parts <= set(config["mypy"]["mypy_path"])
    assert parts <= set(config["mypy"]["files"])


def test_no_module_of_ours_is_excused_from_strict_types() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert config["strict"] is True
    assert "exclude" not in config
    ours = {*packages(), "tests", "benchmarks"}
    for override in config["overrides"]:
        assert {name.partition(".")[0] for name in override["module"]} & ours == set()
        assert set(override) == {"module", "ignore_missing_imports"}
