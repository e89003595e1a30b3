"""Whether a content is safe with a model: what runs have shown."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from coalmine_evals.results.gate import Outcome
from coalmine_evals.results.models import Flag, ModelFlag
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.storage.tables import model_flags
from coalmine_registry.storage.database import Database


def flag_of(outcome: Outcome | None) -> Flag:
    """Returns what an outcome of the gate says of a model."""
    match outcome:
        case "pass":
            return "safe"
        case "fail":
            return "unsafe"
        case _:
            return "unknown"


def put_flags(
    database: Database, run: EvalRun, version: str, outcome: Outcome | None, *, now: datetime
) -> None:
    """Notes what a run says of the models that answered for its candidate, and of the one that was asked.

    A run that shows nothing leaves what an earlier one has shown.
    """
    side = run.candidate
    flag = flag_of(outcome)
    models = {*side.response_models, *([side.model] if side.model else [])}

    def write(connection: Connection) -> None:
        for model in sorted(models):
            values = {
                "digest": side.digest,
                "model": model,
                "prompt": side.prompt,
                "version": version,
                "flag": flag,
                "run": run.id,
                "at": now,
            }
            statement = insert(model_flags).values(values)
            if flag == "unknown":
                connection.execute(statement.on_conflict_do_nothing())
            else:
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["digest", "model"], set_=values)
                )

    database.write(write)


def flags_of(database: Database, prompts: Iterable[str] | None = None) -> list[ModelFlag]:
    """Returns flags, by prompt, version and model.

    Args:
        database: Of evaluations.
        prompts: Only of these; None: of all.
    """
    table = model_flags.c
    query = select(model_flags).order_by(table.prompt, table.version, table.model)
    if prompts is not None:
        query = query.where(table.prompt.in_(sorted(set(prompts))))
    return database.read(lambda each: [ModelFlag(**row._mapping) for row in each.execute(query)])
