"""Many change the same thing at once: every change is applied once or refused, and the history says which."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from coalmine_registry.errors import Conflict, StaleRevision
from coalmine_registry.records import AuditEntry
from coalmine_registry.registry import Registry
from tests.support.data.registry_case import (
    BOB,
    CLEO,
    PROMPT,
    Revision,
    deployment_events,
    history,
    push,
    serve,
)

_AT_ONCE = 50


@dataclass(frozen=True)
class _Applied:
    action: str
    revision: int
    version: str


def _all_at_once(changes: list[Callable[[], _Applied | None]]) -> list[_Applied | None]:
    """Runs each change in a thread of its own, begun together."""
    barrier = threading.Barrier(len(changes))

    def run(change: Callable[[], _Applied | None]) -> _Applied | None:
        barrier.wait()
        return change()

    with ThreadPoolExecutor(len(changes)) as threads:
        return list(threads.map(run, changes))


def _audit(registry: Registry) -> list[AuditEntry]:
    changes = ("promote", "rollback")
    return [each for each in registry.audit_log(PROMPT, "prod", 500).items[::-1] if each.action in changes]


def _changes_since(registry: Registry, revision: int) -> list[Revision]:
    changes = history(registry)[::-1]
    return [each for each in changes if each.revision > revision]


def _check_history(registry: Registry, applied: list[_Applied], start: int) -> None:
    """Whatever was answered is written down, in order and without a hole; the last of it is served."""
    changes = _changes_since(registry, start)
    assert [each.revision for each in changes] == list(range(start + 1, start + 1 + len(applied)))
    written = [_Applied(each.action, each.revision, each.version) for each in changes]
    assert written == sorted(applied, key=lambda each: each.revision)
    audit = _audit(registry)[start:]
    assert [each.after["revision"] for each in audit if each.after] == [each.revision for each in written]
    for before, after in pairwise(audit):
        assert after.before == before.after
    events = deployment_events(registry)[start:]
    assert [(each.action, each.revision, each.version) for each in events] == [
        (each.action, each.revision, each.version) for each in written
    ]
    assert registry.environment_revision("prod") == start + len(applied)
    snapshot = registry.snapshot("prod")
    assert snapshot.prompts[PROMPT].versions() == (written[-1].version,)
    assert snapshot.prompts[PROMPT].revision == written[-1].revision


def test_fifty_promotions_and_rollbacks_at_once_are_each_applied_once(registry: Registry) -> None:
    versions = [f"1.{minor}.0" for minor in range(5)]
    serve(registry, *versions)

    unchanged = []

    def promote(number: int) -> _Applied | None:
        done = registry.promote(BOB, PROMPT, versions[number % 5], "prod")
        if done.status == "unchanged":
            unchanged.append(number)
            return None
        assert done.revision is not None
        return _Applied("promote", done.revision, done.version)

    def roll_back(number: int) -> _Applied:
        done = registry.rollback(CLEO, "prod", PROMPT, versions[number % 5])
        return _Applied("rollback", done.revision, done.version)

    changes: list[Callable[[], _Applied | None]] = [
        (lambda number=number: promote(number) if number % 2 else roll_back(number))  # type: ignore[misc]
        for number in range(_AT_ONCE)
    ]
    applied = [each for each in _all_at_once(changes) if each is not None]
    assert len(applied) + len(unchanged) == _AT_ONCE
    _check_history(registry, applied, 5)


def test_of_fifty_who_saw_the_same_revision_one_wins_and_all_others_are_told(registry: Registry) -> None:
    versions = [f"1.{minor}.0" for minor in range(5)]
    serve(registry, *versions)
    refused: list[StaleRevision] = []
    unchanged = []

    def change(number: int) -> _Applied | None:
        version = versions[number % 5]
        try:
            if number % 2:
                done = registry.promote(BOB, PROMPT, version, "prod", expected_revision=5)
                if done.status == "unchanged":  # served already, as long as nobody was faster
                    unchanged.append(number)
                    return None
                assert done.revision is not None
                return _Applied("promote", done.revision, done.version)
            back = registry.rollback(CLEO, "prod", PROMPT, version, None, 5)
            return _Applied("rollback", back.revision, back.version)
        except StaleRevision as error:
            refused.append(error)
            return None

    done = _all_at_once([(lambda number=number: change(number)) for number in range(_AT_ONCE)])  # type: ignore[misc]
    applied = [each for each in done if each is not None]
    assert len(applied) == 1
    assert {(each.expected, each.actual) for each in refused} == {(5, 6)}
    assert len(refused) + len(unchanged) == _AT_ONCE - 1
    _check_history(registry, applied, 5)


def test_a_request_approved_by_many_at_once_is_applied_once(registry: Registry) -> None:
    push(registry, "1.0.0", author=CLEO)
    asked = registry.promote(CLEO, PROMPT, "1.0.0", "prod")

    def approve() -> _Applied | None:
        try:
            done = registry.approve(BOB, asked.id)
        except Conflict:
            return None
        assert done.revision is not None
        return _Applied("promote", done.revision, done.version)

    applied = [each for each in _all_at_once([approve] * 20) if each is not None]
    assert len(applied) == 1
    _check_history(registry, applied, 0)


def test_a_version_registered_by_many_at_once_exists_once(registry: Registry) -> None:
    created: list[bool] = []

    def register() -> None:
        (record,) = push(registry, "1.0.0")
        created.append(record.version == "1.0.0")

    _all_at_once([register] * 20)
    assert created == [True] * 20
    assert [each.action for each in registry.audit_log().items] == ["register"]
