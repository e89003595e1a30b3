"""Errors say what to do, and survive pickling whole."""

import pickle

import pytest

from coalmine_schemas import errors

EXAMPLES = [
    errors.RegistryUnavailable("down"),
    errors.RegistryRefused("no", 401, 40101),
    errors.CatalogueError("changed"),
    errors.InvalidMessage("decode", "why", "id:7"),
    errors.InvalidFrame("why"),
    errors.UnknownSchema("why", "id:7"),
    errors.InvalidPayload("why", "fingerprint:00"),
    errors.InvalidValue("why", "id:7"),
    errors.InvalidParameter("why"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_whole(error: errors.CoalmineError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (copy.args, str(copy), vars(copy)) == (error.args, str(error), vars(error))


def test_classes_answer_what_to_do() -> None:
    assert issubclass(errors.RegistryUnavailable, errors.Transient)
    assert issubclass(errors.RegistryRefused, errors.Terminal)
    stages = {
        errors.InvalidFrame: "frame",
        errors.UnknownSchema: "frame",
        errors.InvalidPayload: "decode",
        errors.InvalidValue: "validate",
    }
    assert {kind: kind("why").stage for kind in stages} == stages


def test_every_error_stands_in_the_tree_of_the_module() -> None:
    assert errors.__doc__ is not None
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, Exception) and not name.startswith("_"):
            assert name in errors.__doc__, name


@pytest.mark.parametrize(
    ("name", "known", "suggested"),
    [
        ("1.0", ["1.0.0", "1.1.0"], "1.0.0"),
        ("1.1", ["1.0.1", "1.1.0", "11.1.0"], "1.1.0"),
        ("1", ["1.0.0", "1.1.0", "10.0.0"], "1.0.0"),
        ("v1.0.0", ["1.0.0", "1.1.0"], "1.0.0"),
        ("2.0.0", ["1.0.0", "2.0.0-rc.1"], "2.0.0-rc.1"),
        ("support-refnd", ["support-refund", "search"], "support-refund"),
        ("", ["a"], None),
        ("nothing", [], None),
        ("xyz", ["support-refund"], None),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(
    name: str, known: list[str], suggested: str | None
) -> None:
    assert errors.nearest(name, known) == suggested
    assert errors.nearest(name, known[::-1]) == suggested
