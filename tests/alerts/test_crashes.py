"""A process that dies between any two statements: what it left is whole, and the next one goes on."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from coalmine_alerts.timing import Timing
from tests.support.campaign import size
from tests.support.data.alert_case import MINUTE, AlertCase, SaidRule, Tables, finding, name_of, tables_of
from tests.support.doubles.killed_process import Killed, killed_at


def _course(case: AlertCase) -> list[Callable[[], Any]]:
    """Some hours in which everything happens once; each step may be done again after a crash."""
    page = finding(severity="page", labels={"version": "2"})
    many = [finding(labels={"prompt": f"p{number}"}) for number in range(3)]
    name = name_of(page)
    until = case.now + timedelta(minutes=30)

    def silence() -> None:
        case.commands.silence({"prompt": "p1"}, ends_at=until, reason="known", actor="ann")

    return [
        lambda: case.tick(finding(), *many, after=MINUTE),
        lambda: case.tick(page, finding(), finding(notice="a"), after=MINUTE),
        silence,
        lambda: case.commands.acknowledge(name, actor="ann"),
        lambda: case.tick(page, finding(False), *many, after=5 * MINUTE),
        lambda: case.commands.mark(name, useful=True, actor="ann"),
        lambda: case.commands.accept(name, actor="ann", reason="so be it"),
        lambda: case.tick(finding(False), after=15 * MINUTE),
        lambda: case.commands.unsilence(1, actor="ann"),
        lambda: case.tick(finding(False), *many, after=40 * MINUTE),
    ]


def _run(path: Path, kill_at: int | None) -> tuple[Tables, list[str]]:
    case = AlertCase(path, SaidRule(timing=Timing()))
    statements: list[str] = []
    for action in _course(case):
        before, now = tables_of(case.database), case.now
        with killed_at(case.database, None if kill_at is None else kill_at - len(statements)) as seen:
            try:
                action()
            except Killed:
                case.database.close()
                case.open()
                assert tables_of(case.database) == before, "a transaction that did not end has left something"
                case.now, kill_at = now, None
                action()
        statements += seen
    return tables_of(case.database), statements


def test_a_crash_between_any_two_statements_changes_nothing(tmp_path: Path) -> None:
    whole, statements = _run(tmp_path, None)
    assert len(whole["deliveries"]) > 10
    assert {each.split()[0] for each in statements} >= {"INSERT", "UPDATE", "COMMIT"}
    step = max(1, len(statements) // size(12, len(statements)))
    for number in range(0, len(statements), step):
        left, _ = _run(tmp_path / str(number), number)
        assert left == whole, f"differs after a crash before statement {number}: {statements[number]}"
