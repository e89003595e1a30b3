"""Explanation of a change: its decomposition, segments that moved, and features associated with it."""

from collections.abc import Iterator, Sequence

import numpy as np

from coalmine_analytics.errors import check_alpha
from coalmine_analytics.explain.contributions import contributions, mix_name
from coalmine_analytics.explain.decomposition import (
    MODELS,
    TRAFFIC,
    VERSIONS,
    WITHIN,
    Cells,
    Decomposition,
    decompose,
)
from coalmine_analytics.explain.features import SideNames
from coalmine_analytics.explain.headline import headline
from coalmine_analytics.explain.intervals import Certainty, certainty
from coalmine_analytics.explain.moved import moved_values
from coalmine_analytics.explain.regression import regress
from coalmine_analytics.metrics import Metric
from coalmine_analytics.results.explain import ChangePart, ExplainedSide, Explanation, PartName
from coalmine_consumers.experiments import UNIT_GROUPS
from coalmine_consumers.explain import Evidence, MixCells

LEAST_SHARED = 0.98
"""Below this share of requests in cells that both sides have, a warning says so."""
LEAST_ONE_SIDED = 0.01
"""Values with this share of one side that the other side lacks are named in a warning."""


def explain(evidence: Evidence, metric: Metric, *, alpha: float = 0.05) -> Explanation:
    """Explain a change of a metric.

    Args:
        evidence: From raw requests.
        metric: The metric whose cells the evidence holds.
        alpha: In (0, 1), for every interval and correction.

    Raises:
        InvalidParameter: alpha is out of range.
    """
    check_alpha(alpha)
    question, cells = evidence.question, evidence.cells
    places = np.stack([cells.side, cells.mix, cells.model, cells.version, cells.group])
    shape = (len(cells.mixes), len(cells.models), len(cells.versions))
    sums = Cells(shape, UNIT_GROUPS, places, cells.x, cells.y * metric.scale)
    found = decompose(sums)
    known = certainty(found, sums, metric, evidence.spans, alpha=alpha)
    sides = _sides(evidence, found)
    parts, of_prompt = _parts(known, evidence)
    bounds = known.change
    names = SideNames(sides[0].name, sides[1].name, of_versions=question.of_versions)
    return Explanation(
        prompt=question.prompt,
        environment=question.environment,
        metric=metric.name,
        unit=metric.unit,
        headline=headline(metric, sides, [*(of_prompt or parts[:1]), *parts[1:]], known),
        warnings=tuple(_warnings(evidence, found)),
        alpha=alpha,
        a=sides[0],
        b=sides[1],
        change=found.change,
        lower=None if bounds is None else bounds[0],
        upper=None if bounds is None else bounds[1],
        clear=bounds is not None and not bounds[0] <= 0 <= bounds[1],
        parts=parts,
        parts_of_prompt=of_prompt,
        contributions=contributions(found, cells),
        traffic=cells.traffic,
        not_told_apart=evidence.not_told_apart,
        coverage=found.shared,
        moved=moved_values(evidence.values, metric, mde=known.mde, alpha=alpha),
        left_out=evidence.left_out,
        regression=regress(evidence.sample, question.cells, metric, names, alpha=alpha),
    )


def _sides(evidence: Evidence, found: Decomposition) -> tuple[ExplainedSide, ExplainedSide]:
    question = evidence.question
    names = (question.a.version, question.b.version) if question.of_versions else ("before", "after")
    a, b = (
        ExplainedSide(
            name=str(name),
            since=span.first_event_time,
            until=span.last_event_time,
            requests=span.requests,
            units=span.units,
            value=ratio,
        )
        for name, span, ratio in zip(names, evidence.spans, found.ratios, strict=True)
    )
    return a, b


def _parts(known: Certainty, evidence: Evidence) -> tuple[tuple[ChangePart, ...], tuple[ChangePart, ...]]:
    """The three parts, and the two that the prompt's has where times are compared.

    A version that always comes with a model of its own makes one part with it.
    """
    cells = evidence.cells
    traffic = f"different requests came in: the mix of {', '.join(cells.traffic)}"
    if not cells.traffic:
        traffic = "no segment separates the traffic here, so its changes count as prompt or model mix"
    if evidence.question.of_versions:
        prompt = f"{evidence.question.b.version} in place of {evidence.question.a.version}"
        of_prompt: tuple[ChangePart, ...] = ()
    else:
        prompt = "its versions: which were served, and how they behaved"
        served = "other versions of the prompt were served"
        if len(cells.versions) == 1:
            served = f"only {cells.versions[0]} was served"
        of_prompt = (
            _part("versions served", (VERSIONS,), known, served),
            _part("within versions", (WITHIN,), known, _within(cells)),
        )
    if evidence.question.of_versions and _models_apart(cells):
        together = f"{prompt} with other models, for the same traffic: what each does cannot be told apart"
        return (
            _part("version and model", (VERSIONS, WITHIN, MODELS), known, together),
            _part("traffic mix", (TRAFFIC,), known, traffic),
        ), ()
    parts = (
        _part("prompt", (VERSIONS, WITHIN), known, f"{prompt}, for the same models and the same traffic"),
        _part("model mix", (MODELS,), known, "other models answered the same traffic"),
        _part("traffic mix", (TRAFFIC,), known, traffic),
    )
    return parts, of_prompt


def _models_apart(cells: MixCells) -> bool:
    """True if no model served both versions."""
    of_side = [set(cells.model[(cells.side == side) & (cells.x > 0)].tolist()) for side in range(2)]
    return of_side[0].isdisjoint(of_side[1])


def _within(cells: MixCells) -> str:
    version = cells.versions[0] if len(cells.versions) == 1 else "the same version"
    return f"{version} behaved differently on the same models and traffic: check the provider, tools and data"


def _part(name: PartName, factors: Sequence[int], known: Certainty, words: str) -> ChangePart:
    weights = np.zeros(4)
    weights[list(factors)] = 1.0
    bounds = known.bounds(weights)
    return ChangePart(
        part=name,
        contribution=float(known.taken_apart.parts @ weights),
        lower=None if bounds is None else bounds[0],
        upper=None if bounds is None else bounds[1],
        clear=bounds is not None and not bounds[0] <= 0 <= bounds[1],
        words=words,
    )


def _warnings(evidence: Evidence, found: Decomposition) -> Iterator[str]:
    a, b = evidence.spans
    if not evidence.question.of_versions:
        yield (
            "before and after may differ in unmeasured ways: changes over time other than in models and "
            "segments count as within versions"
        )
    else:
        if evidence.experiment is not None:
            yield f"these are the requests of {evidence.experiment}: its readout shows the causal effect"
        else:
            yield "not randomised: unmeasured differences between the versions' requests count as prompt"
        if not a.hours & b.hours:
            yield "time is not separated: they never ran in the same hour, and its effect counts as prompt"
    if found.shared < LEAST_SHARED:
        yield (
            f"{1 - found.shared:.0%} of the requests have no counterpart on the other side, of the same "
            "traffic, model and version: the prompt's effect on them counts as mix"
        )
    yield from _one_sided(evidence, found)


def _one_sided(evidence: Evidence, found: Decomposition) -> Iterator[str]:
    """Warn of values that one side lacks: they count as mix in full."""
    cells = evidence.cells
    names = ("before", "after")
    if evidence.question.of_versions:
        names = (str(evidence.question.a.version), str(evidence.question.b.version))
    listed = (
        (0, [mix_name(cells.traffic, mix) for mix in cells.mixes], "traffic mix"),
        (1, cells.models, "model mix"),
        (2, cells.versions, "versions served"),
    )
    for axis, values, part in listed:
        x = found.x.sum(axis=tuple(other for other in range(1, 4) if other != axis + 1))  # (2, values)
        share = x / x.sum(axis=1, keepdims=True)
        for side in range(2):
            only = (share[side] >= LEAST_ONE_SIDED) & (x[1 - side] == 0)
            if only.any():
                which = "; ".join(values[at] for at in np.flatnonzero(only)[:5].tolist())
                more = f" and {only.sum() - 5} more" if only.sum() > 5 else ""
                yield (
                    f"only {names[side]} has {which}{more} ({share[side][only].sum():.0%} of its requests): "
                    f"its effect counts as {part}"
                )
