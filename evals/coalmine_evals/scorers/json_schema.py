"""Is the answer JSON of the form that was asked for?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar, Final

import jsonschema_rs

from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.json_text import NotJson, json_of
from coalmine_evals.scorers.reference import Compares, NoReference, shown
from coalmine_schemas.prompts.errors import InvalidPrompt

_MISTAKES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSchema(Compares):
    """1 if the answer is JSON that follows a JSON Schema."""

    name: ClassVar[str] = "json_schema@1"
    schema: Any = None
    """The JSON Schema for all cases, as a mapping; by default what the case expects, with `field` a part."""
    fenced: bool = True
    """Whether JSON within three backticks, with words around it, is accepted."""
    any_json: bool = False
    """Whether any JSON is right, whatever the case expects."""

    def __post_init__(self) -> None:
        if self.schema is not None:
            _checked(self.schema)

    def judge(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        schema = {} if self.any_json else self.wanted(case) if self.schema is None else self.schema
        try:
            validator = _checked(schema)
        except InvalidPrompt as invalid:
            raise NoReference(str(invalid)) from None
        try:
            value = json_of(output, fenced=self.fenced)
        except NotJson as not_json:
            return Score(0.0, {"why": shown(str(not_json)), "answer": shown(output)})
        try:
            mistakes = [_told(each) for each in islice(validator.iter_errors(value), _MISTAKES)]
        except ValueError as error:  # too deep, or a number that it cannot hold
            return Score(0.0, {"why": shown(str(error))})
        return Score(float(not mistakes), {"mistakes": mistakes} if mistakes else {})


def _told(mistake: jsonschema_rs.ValidationError) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in mistake.instance_path)
    return shown(f"{place.lstrip('.') or 'the answer'}: {mistake.message}")


def _checked(schema: object) -> jsonschema_rs.Validator:
    if not isinstance(schema, Mapping | bool):
        raise InvalidPrompt("schema", schema, "give a JSON Schema: a mapping, such as {type: object}")
    return _validator(json.dumps(schema, default=dict))


@lru_cache(maxsize=256)
def _validator(schema: str) -> jsonschema_rs.Validator:
    try:
        # Patterns are searched with bounded backtracking, and nothing is fetched that a schema refers to.
        return jsonschema_rs.validator_for(schema, offline=True)
    except ValueError as error:
        message = getattr(error, "message", str(error)).splitlines()[0]
        place = ".".join(map(str, getattr(error, "instance_path", ())))
        raise InvalidPrompt(f"schema.{place}" if place else "schema", schema, message) from None
