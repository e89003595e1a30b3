"""Experiments and their arms as rows of tables."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from coalmine_analytics.results.readout import ArmReadout, Readout
from coalmine_consumers.results import ExperimentRow
from coalmine_dashboards.formatting import UNKNOWN, count
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, When
from coalmine_dashboards.views.rollouts import weights_of
from coalmine_registry.records import ExperimentRecord
from coalmine_schemas.prompts import percent


@dataclass(frozen=True, slots=True)
class Listed:
    """One experiment."""

    name: str
    record: ExperimentRecord | None
    """None: only events tell of it."""
    seen: ExperimentRow | None
    """None without requests."""


def listed_rows(rows: Sequence[Listed]) -> list[dict[str, Any]]:
    """What the list shows, for downloads: what the registry knows of each, and its requests."""
    return [
        {
            "name": each.name,
            "requests": None if each.seen is None else each.seen.requests,
            **({} if each.record is None else asdict(each.record)),
        }
        for each in rows
    ]


def experiment_columns(when: When) -> list[Column[Listed]]:
    """Columns of the list of experiments."""

    def place(row: Listed) -> str:
        if row.record is None:
            return "not in this registry"
        rule = "" if row.record.rule is None else f", rule {row.record.rule}"
        return f"{row.record.prompt} in {row.record.environment}{rule}"

    def arms(row: Listed) -> str:
        if row.record is None:
            return UNKNOWN if row.seen is None else ", ".join(row.seen.arms)
        return ", ".join(f"{arm.variant} {arm.version} ({percent(arm.weight)})" for arm in row.record.arms)

    def state(row: Listed) -> str:
        if row.record is None:
            return UNKNOWN
        kept = "" if row.record.kept is None else f", kept {row.record.kept}"
        return f"{row.record.status}{kept}"

    def view(row: Listed) -> Html:
        return Html(anchor(row.name, "experiments", experiment=row.name))

    return [
        Column("Experiment", view, text=True),
        Column("Place", place, text=True),
        Column("State", state, text=True),
        Column("Arms", arms, "Version and weight of each, control last.", text=True, wraps=True),
        Column("Requests", lambda row: UNKNOWN if row.seen is None else count(row.seen.requests)),
        Column("Began", lambda row: when(None if row.record is None else row.record.started_at), text=True),
    ]


def arm_columns(experiment: str, shown: str) -> list[Column[ArmReadout]]:
    """Columns of the arms of an experiment.

    Args:
        experiment: Its name.
        shown: The arm whose metrics are shown below.
    """

    def name(row: ArmReadout) -> str | Html:
        if row.arm == shown:
            return f"{row.arm} (below)"
        return Html(anchor(row.arm, "experiments", experiment=experiment, arm=row.arm))

    return [
        Column("Arm", name, text=True),
        Column("Units", lambda row: count(row.units)),
        Column("Requests", lambda row: count(row.requests), vital=False),
        Column("Decision", lambda row: row.decision.replace("_", " "), text=True),
        Column("Why", lambda row: row.words, text=True, wraps=True),
    ]


def words_of(record: ExperimentRecord | None, readout: Readout | None, when: When) -> str:
    """What it is, in a sentence or two."""
    if record is None and readout is None:
        return "This registry does not know it, and no event tells of it."
    if record is None:
        said = "This registry does not know it: its events tell of it."
    else:
        weights = weights_of({arm.variant: arm.weight for arm in record.arms})
        said = f"{record.prompt} in {record.environment}: {weights}, since {when(record.started_at)}"
        said += f" by {record.started_by}."
        if record.stopped_at is not None:
            kept = "the replaced version returned" if record.kept is None else f"{record.kept} stayed"
            said += f" Stopped {when(record.stopped_at)} by {record.stopped_by}: {kept}."
    if readout is None:
        return said
    left_out = (
        f" Left out: {readout.left_out_requests:,} requests of an arm or an allocation epoch that never was."
        if readout.left_out_requests
        else ""
    )
    return f"{said} Its split: {readout.srm.words}.{left_out}"
