"""Which prompt something belongs to that has an id or a name of its own."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from coalmine_registry.errors import NotFound
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.api.prompt_scope.decisions import OwnerKind
from coalmine_server.errors import NotFound as NothingThere

if TYPE_CHECKING:
    from coalmine_registry.registry import Registry
    from coalmine_server.services.owned_store import OwnedStore

_NO_TEXT: Final = re.compile(r"[\0\ud800-\udfff]")
"""What no database has in a name: some take it for no question either."""

State = Any
"""`app.state` of the API: what runs in this process."""


def owner_of(state: State, kind: OwnerKind, name: str) -> str | None:
    """Returns the prompt that something belongs to; None if it is of no prompt, or there is no such thing.

    Reads databases. What goes wrong with those is raised as it is.

    Args:
        state: The application's.
        kind: What it is.
        name: Its id or name, as a request has it.
    """
    if _NO_TEXT.search(name):
        return None
    try:
        return _FINDERS[kind](state, name)
    except (NotFound, NothingThere, InvalidParameter):
        return None


def _registry(state: State) -> "Registry":
    found: Registry = state.registry
    return found


def _store(state: State) -> "OwnedStore":
    found: OwnedStore = state.stores.owned_store()
    return found


def _alert(state: State, name: str) -> str | None:
    from coalmine_alerts.storage.alerts import alert  # noqa: PLC0415 - SQLAlchemy

    return alert(_store(state).alerts.database, name).labels.get("prompt")


def _silence(state: State, name: str) -> str | None:
    from coalmine_alerts.storage.silences import read_silence  # noqa: PLC0415

    database = _store(state).alerts.database
    found = database.read(lambda connection: read_silence(connection, _number(name)))
    return found.matchers.get("prompt")


def _call(state: State, name: str) -> str | None:
    from coalmine_consumers.queries import request_prompts  # noqa: PLC0415 - DuckDB

    request_id = _uuid(name)
    return request_prompts(_store(state).store.reader(), [request_id]).get(request_id)


def _suite(state: State, name: str) -> str | None:
    from coalmine_evals.suites.storage import find_suite  # noqa: PLC0415

    return find_suite(_store(state).evaluations.database, name).suite.prompt


def _eval_run(state: State, name: str) -> str | None:
    # The suite says it: recorded answers name no prompt.
    return _suite(state, _store(state).evaluations.runs.run(name).suite)


def _rollout(state: State, name: str) -> str | None:
    from coalmine_rollouts.commands import Rollouts  # noqa: PLC0415

    return Rollouts(_registry(state)).rollout(name).prompt


def _freeze(state: State, name: str) -> str | None:
    from coalmine_registry.operations.freezes import read_freeze  # noqa: PLC0415

    number = _number(name)
    return _registry(state).read(lambda transaction: read_freeze(transaction, number)).prompt


_FINDERS: Final[Mapping[OwnerKind, Callable[[State, str], str | None]]] = {
    "alert": _alert,
    "call": _call,
    "eval_run": _eval_run,
    "evidence": lambda state, name: _registry(state).evidence(name).prompt,
    "experiment": lambda state, name: _registry(state).experiment(name).prompt,
    "freeze": _freeze,
    "promotion": lambda state, name: _registry(state).promotion(name).prompt,
    "rollout": _rollout,
    "silence": _silence,
    "suite": _suite,
}


def _number(name: str) -> int:
    if not name.isascii() or not name.isdecimal() or len(name) > 16:
        raise NothingThere(f"no number {name!r:.40}")
    return int(name)


def _uuid(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError:
        raise NothingThere(f"no id {name!r:.40}") from None
