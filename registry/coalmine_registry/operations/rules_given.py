"""Which targeting rules can be set: asked by the registry, and by whoever reads them from a file first."""

from collections.abc import Sequence
from typing import Final

from coalmine_registry.errors import Invalid
from coalmine_registry.operations.inputs import name_given, storable
from coalmine_schemas.prompts import Rule

_MOST_RULES: Final = 100
_MOST_VALUES: Final = 1000
_LONGEST_NAME: Final = 100
_LONGEST_VALUE: Final = 200
_MOST_CHARS: Final = 200_000


def check_rules(rules: Sequence[Rule]) -> None:
    """Checks that rules can match and have different names.

    Raises:
        Invalid: Names the first that does not.
    """
    if len(rules) > _MOST_RULES:
        raise Invalid("rules", f"a list of {len(rules)}", f"give at most {_MOST_RULES}")
    texts = (value for rule in rules for values in rule.when.values() for value in values)
    chars = sum(len(str(value)) for value in texts)
    chars += sum(len(segment) for rule in rules for segment in rule.when)
    if chars > _MOST_CHARS:
        raise Invalid("rules", f"{chars} characters", f"name segments and values of at most {_MOST_CHARS}")
    names: set[str] = set()
    for place, rule in enumerate(rules):
        where = f"rules[{place}]"
        if name_given(f"{where}.name", rule.name, _LONGEST_NAME) in names:
            raise Invalid(f"{where}.name", rule.name, "give each rule a name of its own")
        names.add(rule.name)
        if not rule.when:
            raise Invalid(f"{where}.when", rule.when, "name a segment; what is for everybody is the default")
        for segment, values in rule.when.items():
            if not storable(f"a segment of {where}", segment, _LONGEST_NAME):
                raise Invalid(f"a segment of {where}", segment, "give a name")
            if not 0 < len(values) <= _MOST_VALUES:
                remedy = f"give 1 to {_MOST_VALUES} values"
                raise Invalid(f"{where}.when.{segment}", f"a list of {len(values)}", remedy)
            for value in values:
                storable(f"{where}.when.{segment}", value, _LONGEST_VALUE)
