"""What is long over is forgotten; what is not, is not."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from coalmine_alerts.storage.alerts import list_alerts
from coalmine_alerts.storage.pruning import KEPT
from coalmine_alerts.storage.sent import told_transitions
from tests.support.data.alert_case import MINUTE, AlertCase, finding, tables_of

DAY = timedelta(days=1)


def test_what_is_long_over_is_forgotten(tmp_path: Path) -> None:
    case = AlertCase(tmp_path)
    over, fires = finding(labels={"prompt": "over"}), finding(labels={"prompt": "fires"})
    case.tick(over, fires, finding(notice="1"))
    first = case.only_one("over")
    case.commands.mark(first.fingerprint, useful=True, actor="ann")
    case.commands.silence({"rule": "x"}, ends_at=case.now + DAY, reason="why", actor="ann")
    ended = finding(False, ended=True, labels={"prompt": "over"})
    case.tick(ended, fires, after=MINUTE)
    case.database.write(
        lambda connection: connection.execute(text("UPDATE deliveries SET state = 'delivered'"))
    )
    case.tick(fires, after=KEPT - DAY)
    assert len(list_alerts(case.database).items) == 3
    case.commands.acknowledge(case.only_one("fires").fingerprint, actor="ann")
    case.tick(fires, after=2 * DAY)
    assert [each.labels["prompt"] for each in list_alerts(case.database).items] == ["fires"]
    kept = told_transitions(case.database).items
    assert [each.transition.kind for each in kept] == [
        "acknowledge",
        "repeat",
    ]
    left = tables_of(case.database)
    assert (left["marks"], left["silences"]) == ([], [])
    assert len(left["deliveries"]) == 2


def test_what_waits_to_be_told_is_kept_however_old_it_is(tmp_path: Path) -> None:
    case = AlertCase(tmp_path)
    case.tick(finding())
    case.tick(finding(False, ended=True))
    case.tick(after=2 * KEPT)
    assert len(told_transitions(case.database).items) == 2


def test_many_are_forgotten_in_pieces(tmp_path: Path) -> None:
    case = AlertCase(tmp_path, channels={"warning": []})
    many = [finding(notice="1", labels={"prompt": f"p{number}"}) for number in range(2500)]
    case.tick(*many)
    counts = []
    for _ in range(8):
        case.tick(after=KEPT + DAY)
        counts.append(len(tables_of(case.database)["alerts"]))
    assert counts[-1] == 0
    assert len(set(counts)) > 4
    assert tables_of(case.database)["transitions"] == []
