"""Published schemas never change, and a new version must fit the one before."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coalmine_schemas.catalogue import RECORD_NAMES, versions
from coalmine_schemas.errors import CatalogueError
from coalmine_schemas.freeze import PACKAGE_DIRECTORY, check, digest, load_frozen, main, publish
from coalmine_schemas.topics import EVENT_NAMES

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what is published, to change."""
    shutil.copytree(PACKAGE_DIRECTORY / "avro", tmp_path / "avro")
    shutil.copy(PACKAGE_DIRECTORY / "catalogue.json", tmp_path / "catalogue.json")
    return tmp_path


def _edit(path: Path, change: Change, to: Path | None = None) -> None:
    document = json.loads(path.read_text("utf-8"))
    change(document)
    (to or path).write_text(json.dumps(document), "utf-8")


def _new_score_version(checkout: Path, change: Change) -> None:
    folder = checkout / "avro" / "prompt_score"
    _edit(folder / "2.avsc", change, folder / "3.avsc")


def _add(**field: Any) -> Change:
    return lambda document: document["fields"].append(field)


def test_every_published_schema_is_what_was_published() -> None:
    assert check(PACKAGE_DIRECTORY) == []
    frozen = load_frozen(PACKAGE_DIRECTORY)
    for event in EVENT_NAMES:
        for schema in versions(event):
            entry = frozen[RECORD_NAMES[event]][str(schema.version)]
            assert entry == {"fingerprint": schema.fingerprint.hex(), "sha256": digest(schema)}


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["fields"][0].update(doc="Something else."),
        lambda document: document["fields"][6]["type"].update(default="human"),
        lambda document: document["fields"].pop(),
        lambda document: document.update(owner="nobody"),
    ],
    ids=["documentation", "default", "field", "owner"],
)
def test_a_changed_published_schema_is_refused(checkout: Path, change: Change) -> None:
    _edit(checkout / "avro" / "prompt_score" / "1.avsc", change)
    before = (checkout / "catalogue.json").read_bytes()
    with pytest.raises(CatalogueError, match=r"prompt_score/1\.avsc was published and has been changed"):
        publish(checkout)
    assert (checkout / "catalogue.json").read_bytes() == before


def test_layout_and_line_ends_of_a_published_file_do_not_matter(checkout: Path) -> None:
    path = checkout / "avro" / "prompt_score" / "1.avsc"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")), indent=8).replace("\n", "\r\n"), "utf-8")
    assert check(checkout) == []


def test_a_removed_published_schema_is_refused(checkout: Path) -> None:
    _new_score_version(checkout, _add(name="x", type=["null", "string"], default=None, doc="X."))
    publish(checkout)
    (checkout / "avro" / "prompt_score" / "3.avsc").unlink()
    with pytest.raises(CatalogueError, match=r"prompt_score/3\.avsc was published and is gone"):
        check(checkout)


def test_a_compatible_new_version_is_published_once(checkout: Path) -> None:
    _new_score_version(checkout, _add(name="x", type=["null", "string"], default=None, doc="X."))
    assert [(schema.event, schema.version) for schema in publish(checkout)] == [("scores", 3)]
    assert publish(checkout) == []
    assert set(load_frozen(checkout)["prompt_score"]) == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_add(name="x", type="string", doc="X."), "new readers of old data: x: not written"),
        (lambda document: document["fields"].pop(0), "old readers of new data: score_id: not written"),
        (_add(name="x", type=["null", "string"], default=None), "PromptScore.x has no documentation"),
        (
            _add(name="x", type=["null", "long"], default=None, doc="How many."),
            "PromptScore.x is a number whose documentation names no unit",
        ),
        (lambda document: document.update(doc=""), "PromptScore has no documentation"),
        (lambda document: document.update(owner=""), "has no owner"),
        (lambda document: document.update(name="Score"), "renamed to coalmine.events.Score without an alias"),
        (_add(name="x", type="nonsense", doc="X."), "UnknownType"),
        (_add(name="x", type="int", doc="Counter.", default="three"), "SchemaParseException"),
    ],
)
def test_a_new_version_that_does_not_fit_is_refused(checkout: Path, change: Change, reason: str) -> None:
    _new_score_version(checkout, change)
    before = (checkout / "catalogue.json").read_bytes()
    with pytest.raises(CatalogueError) as refused:
        publish(checkout)
    assert reason in str(refused.value)
    assert (checkout / "catalogue.json").read_bytes() == before


def test_version_numbers_have_no_gaps(checkout: Path) -> None:
    folder = checkout / "avro" / "prompt_score"
    shutil.copy(folder / "1.avsc", folder / "4.avsc")
    with pytest.raises(CatalogueError, match="versions must be 1, 2, 3"):
        check(checkout)


def test_the_command_publishes_and_only_looks_with_check(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _new_score_version(checkout, _add(name="x", type=["null", "string"], default=None, doc="X."))
    assert main(["--check", "--directory", str(checkout)]) == 1
    assert "prompt_score 3: not published yet" in capsys.readouterr().out
    assert main(["--directory", str(checkout)]) == 0
    assert "prompt_score 3: published" in capsys.readouterr().out
    assert main(["--check", "--directory", str(checkout)]) == 0
    _edit(checkout / "avro" / "prompt_score" / "3.avsc", lambda document: document.update(doc="Other."))
    assert main(["--directory", str(checkout)]) == 1
    assert "has been changed" in capsys.readouterr().err
