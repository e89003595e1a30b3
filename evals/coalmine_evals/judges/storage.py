"""What the database keeps of judges: the latest calibration, and canary sets with their days."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from coalmine_evals.datasets.case import KEYS, read_case
from coalmine_evals.judges.canary import CanaryDay, canary_status
from coalmine_evals.judges.labelled import Labelled
from coalmine_evals.judges.measure import JudgeScorers
from coalmine_evals.results.judges import Calibration, CanaryStatus
from coalmine_evals.storage.tables import judge_calibrations, judge_canaries, judge_canary_days
from coalmine_registry.storage.database import Database
from coalmine_schemas.prompts.json_values import JsonValue


def put_calibration(database: Database, calibration: Calibration) -> None:
    """Keeps a calibration in place of the one before."""
    values: dict[str, Any] = {
        "calibrated_at": calibration.calibrated_at,
        "document": _adapter().dump_python(calibration, mode="json"),
    }
    statement = insert(judge_calibrations).values(scorer=calibration.scorer, **values)
    statement = statement.on_conflict_do_update(index_elements=["scorer"], set_=values)
    database.write(lambda connection: connection.execute(statement))


def calibrations(database: Database) -> list[Calibration]:
    """Returns the latest calibration of each series of scores, the newest first."""
    query = select(judge_calibrations.c.document).order_by(judge_calibrations.c.calibrated_at.desc())
    rows = database.read(lambda connection: connection.execute(query).scalars().all())
    return [_adapter().validate_python(each) for each in rows]


def advisory_reason(scorer: str, known: Sequence[Calibration]) -> str | None:
    """Why a gate may not decide by a judge; None if it may.

    Args:
        scorer: Series of its scores.
        known: As `calibrations` returns them.
    """
    for each in known:
        if each.scorer == scorer:
            return None if each.decides else each.reason
    return f"nobody compared {scorer} with people yet: `coalmine judge calibrate`"


@dataclass(frozen=True, slots=True)
class CanarySet:
    """Fixed answers and how to score them."""

    scorer: str
    """Series of scores."""
    settings: Mapping[str, JsonValue]
    """Of the scorer."""
    answers: tuple[Labelled, ...]


def put_canary(database: Database, scorer: JudgeScorers, answers: Sequence[Labelled], now: datetime) -> None:
    """Keeps a canary set, and forgets the days of the one before: they are of other answers."""
    settings = {name: each for name, each in asdict(scorer.settings).items() if each is not None}
    values: dict[str, Any] = {
        "scorer": scorer.name,
        "kind": scorer.kind,
        "settings": settings,
        "answers": [each.to_json() for each in answers],
        "made_at": now,
    }

    def work(connection: Connection) -> None:
        connection.execute(delete(judge_canaries).where(judge_canaries.c.scorer == scorer.name))
        connection.execute(insert(judge_canaries).values(values))

    database.write(work)


def canary_sets(database: Database) -> list[CanarySet]:
    """Returns every canary set, by the series of its scores.

    One whose judge is gone, or takes its answers no longer, is an error for whoever scores it, not here.
    """
    query = select(judge_canaries).order_by(judge_canaries.c.scorer)
    rows = database.read(lambda connection: connection.execute(query).all())
    return [
        CanarySet(row.scorer, row.settings, tuple(_labelled(each, row.kind) for each in row.answers))
        for row in rows
    ]


def put_canary_day(database: Database, scorer: str, day: CanaryDay) -> None:
    """Keeps what a judge said on a day; the first time counts."""
    statement = insert(judge_canary_days).values(
        scorer=scorer,
        day=day.day,
        scores=dict(day.scores),
        response_models=list(day.response_models),
    )
    database.write(lambda connection: connection.execute(statement.on_conflict_do_nothing()))


def canary_days(database: Database, scorer: str) -> list[CanaryDay]:
    """Returns the days of a canary set, in their order."""
    table = judge_canary_days
    query = select(table).where(table.c.scorer == scorer).order_by(table.c.day)
    rows = database.read(lambda connection: connection.execute(query).all())
    return [CanaryDay(row.day, row.scores, tuple(row.response_models)) for row in rows]


def canary_statuses(database: Database) -> list[CanaryStatus]:
    """Returns how each judge with a canary set does: what alerts and pages look at."""
    return [
        canary_status(each.scorer, len(each.answers), canary_days(database, each.scorer))
        for each in canary_sets(database)
    ]


def forget_canary(database: Database, scorer: str) -> bool:
    """Deletes a canary set with its texts and days; False if there was none."""
    statement = delete(judge_canaries).where(judge_canaries.c.scorer == scorer)
    return database.write(lambda connection: connection.execute(statement).rowcount > 0)


def _labelled(value: Mapping[str, Any], kind: str) -> Labelled:
    names = ("output",) if kind == "one" else ("first", "second")
    case = read_case({key: value[key] for key in KEYS if key in value})
    return Labelled(case, tuple(value[name] for name in names), value["label"], value.get("segments") or {})


@cache
def _adapter() -> TypeAdapter[Calibration]:
    return TypeAdapter(Calibration)
