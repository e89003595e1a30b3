"""What the default rules of alerts tell: false alarms of a calm service, and regressions seeded one by one.

Simulated prompts (seasons of day and week, growth, levels that wander, users, ratings) are written as rows
into a real store; the real facts, rules, states, grouping and outbox make messages of them, on a simulated
clock, for a channel that counts.

The calm part: every other prompt never changes, the others have a new and equal version each week. Whatever
is told there is a false alarm. Drift counts from the end of its reference on, for prompts that never change;
regressions of versions count for the others.

Regressions: prompts with a fortnight of history, then one change each. The time is from the change to the
first message of a rule that is for it; recall is the share of changes that were told; precision is the share
of right firings among all, until all were told and settled, or the watch ended. Where all prompts of a store
change together (a model, an outage) they are one incident of `TOGETHER` prompts.

Simplified: rules are evaluated every 5 minutes to 2 hours instead of every 10 seconds, so a time is longer by
half of that step on average; each prompt has a channel of its own, except where all change together; there is
no registry, so nothing is known of rollouts, promotions and evaluations; the ledger keeps the machine's time,
so there are no dead letters and gaps; explanations are left out; `feedback_negative`, which tells what is so
by definition, is off.

To be done in time, prompts of a store share its history, which is simulated and summed up once for all kinds
and copied; a prompt whose regression was told leaves 6 hours later, so that nothing is known of what would
have been told wrongly after that; and the calm part looks at drift every 6 hours: what is found stays found.

Run alone, it takes one to two hours of a core. It uses two; `--keep FILE` keeps each part as it is done, and
a run that was interrupted goes on from there.

    python -m benchmarks.alerts [--days 60] [--runs 100] [--prompts 6] [--kind NAME] [--keep FILE] [--json]
"""

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from pydantic import TypeAdapter

from benchmarks.alerts_runs import BEGAN, Incident, Kind, Told, calm, history, regress
from benchmarks.alerts_service import Change
from benchmarks.detection import speak_aside
from coalmine_alerts.rules.drift import FAMILIES
from coalmine_alerts.rules.versions import VersionRegression
from coalmine_server.cli.output import progress_bar

DAYS, RUNS, PROMPTS, PER_DAY = 60, 100, 6, 3_000
"""Of the calm part; incidents of each kind; prompts of the calm part; requests of a prompt in a day."""
TOGETHER = 12
"""Prompts that share a store."""
PROCESSES = 2
MOST_FALSE = 0.25
"""False alarms of a rule for each prompt and week: one in four weeks."""
_REFERENCE_DAYS = 14
_STEP = timedelta(hours=2)
_QUARTER = timedelta(minutes=15)


def _drift(name: str, change: Change, *rules: str) -> Kind:
    own = f"{name.split(maxsplit=1)[0]}_drift"
    return Kind(name=name, change=change, rules=frozenset((own, *rules)), step=_STEP)


def _version(name: str, *rules: str, **change: float) -> Kind:
    changed = Change(version="1.1.0", **change)  # type: ignore[arg-type]
    rules = (VersionRegression.name, *rules)
    return Kind(name=f"version: {name}", change=changed, rules=frozenset(rules), days=3.0, step=_STEP)


KINDS: Final = (
    _drift("quality -5 %", Change(quality=0.95)),
    _drift("quality -10 %", Change(quality=0.9)),
    _drift("cost +20 %", Change(cost=1.2)),
    _drift("latency +30 %", Change(latency=1.3)),
    _drift("error 1 -> 3 %", Change(errors=3.0)),
    _drift("thumbs down 10 -> 20 %", Change(down=2.0), "feedback_above_usual"),
    _version("quality -5 %", quality=0.95),
    _version("quality -10 %", quality=0.9),
    _version("cost +20 %", cost=1.2),
    _version("latency +30 %", latency=1.3),
    _version("errors 1 -> 3 %", errors=3.0),
    _version("thumbs down 10 -> 20 %", "feedback_above_usual", down=2.0),
    Kind(
        name="model change",
        change=Change(model="gpt-4o-2024-11-20", quality=0.95),
        rules=frozenset(("model_change",)),
        also=frozenset(("quality_drift",)),
        days=4.0,
        step=_STEP,
        shared=True,
    ),
    Kind(
        name="feedback x5 for 3 h",
        change=Change(down=5.0),
        rules=frozenset(("feedback_above_usual",)),
        also=frozenset(("thumbs_drift",)),
        days=1.5,
        lasts=timedelta(hours=3),
        step=_QUARTER,
    ),
    Kind(
        name="budget passed",
        change=Change(),
        rules=frozenset(("budget",)),
        also=frozenset(("budget_forecast",)),
        days=3.5,
        step=timedelta(hours=1),
        budget=True,
    ),
    Kind(
        name="no events for 2 h",
        change=Change(silent=True),
        rules=frozenset(("ingest_stale",)),
        days=0.6,
        lasts=timedelta(hours=2),
        step=timedelta(minutes=5),
        shared=True,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """False alarms of one rule."""

    rule: str
    alarms: int
    prompt_weeks: float
    per_prompt_week: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was told of one kind of regression."""

    kind: str
    incidents: int
    recall: float
    to_message_h_p50: float | None
    to_message_h_p95: float | None
    """Of those that were told."""
    messages_per_incident: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFound:
    """How right one rule was, over all regressions."""

    rule: str
    right: int
    wrong: int
    precision: float | None
    recall: float | None
    """Of the incidents that it is for; None: it is for none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to simulate: the calm part, or a kind for the prompts of one history."""

    folder: Path
    kind: Kind | None = None
    history: Path | None = None
    seed: int = 0
    prompts: int = 0
    days: int = 0

    @property
    def name(self) -> str:
        """The same for the same figures, whenever it is simulated."""
        return f"{self.kind.name if self.kind else 'calm'}/{self.days}/{self.prompts}/{self.seed}"


@dataclass(slots=True)
class Results:
    """Of some tasks."""

    calm: list[Told] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    def add(self, other: "Results") -> None:
        """Adds those of other tasks."""
        self.calm += other.calm
        self.incidents += other.incidents


_RESULTS: Final = TypeAdapter(Results)


def watch(task: Task) -> tuple[str, Results]:
    """Simulates one task; returns its name, too."""
    with TemporaryDirectory(dir=task.folder) as folder:
        if task.kind is not None and task.history is not None:
            return task.name, Results(incidents=regress(task.kind, task.history, Path(folder)))
        told = calm(Path(folder), task.prompts, task.days, PER_DAY, task.seed, say=_say)
        return task.name, Results(calm=told)


def _say(text: str) -> None:
    """Shows that it goes on where no bar does."""
    if not sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def kept(path: Path | None) -> dict[str, Results]:
    """What was simulated before, by the names of tasks; a line that was not written to its end is none."""
    found: dict[str, Results] = {}
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                row = json.loads(line)
                found[row["task"]] = _RESULTS.validate_python(row["results"])
    return found


def keep(path: Path | None, task: str, results: Results) -> None:
    """Keeps what was simulated."""
    if path is not None:
        row = {"task": task, "results": _RESULTS.dump_python(results, mode="json")}
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(row)}\n")  # the line before may have broken off


def _begin(task: Task) -> None:
    """Writes one history."""
    history(task.folder, [f"prompt-{place}" for place in range(task.prompts)], PER_DAY, task.seed)


def run(
    days: int, runs: int, prompts: int, kinds: Sequence[Kind], *, show: bool, path: Path | None = None
) -> Results:
    """Simulates everything that is not kept at `path`, in `PROCESSES` processes."""
    known, results = kept(path), Results()
    context = multiprocessing.get_context("spawn")
    with (
        TemporaryDirectory(prefix="coalmine-alerts-") as text,
        context.Pool(PROCESSES, speak_aside) as pool,
    ):
        folder = Path(text)
        sizes = [min(TOGETHER, runs - first) for first in range(0, runs, TOGETHER)]
        apart = len(sizes)
        if runs and TOGETHER not in sizes and any(kind.shared for kind in kinds):
            sizes.append(TOGETHER)
        histories = [
            Task(folder=folder / f"history-{place}", prompts=size, seed=100 + place)
            for place, size in enumerate(sizes)
        ]
        tasks = [Task(folder=folder, prompts=prompts, days=days, seed=1)] if days else []  # the longest first
        tasks += [
            replace(each, folder=folder, kind=kind, history=each.folder)
            for kind in kinds
            for place, each in enumerate(histories)
            if (each.prompts == TOGETHER if kind.shared else place < apart)
        ]
        for task in tasks:
            results.add(known.get(task.name, Results()))
        tasks = [task for task in tasks if task.name not in known]
        wanted = [each for each in histories if any(task.history == each.folder for task in tasks)]
        for each in wanted:
            each.folder.mkdir()
        came: SimpleQueue[tuple[str, Results] | BaseException] = SimpleQueue()  # kept as soon as it is done

        def begin(task: Task) -> None:
            pool.apply_async(watch, (task,), callback=came.put, error_callback=came.put)

        for task in tasks:
            if task.kind is None:
                begin(task)
        pool.map(_begin, wanted)
        for task in tasks:
            if task.kind is not None:
                begin(task)
        with progress_bar("alerts", quiet=not show, unit="worlds") as advance:
            for place in range(1, len(tasks) + 1):
                done = came.get()
                if isinstance(done, BaseException):
                    raise done
                name, found = done
                keep(path, name, found)
                results.add(found)
                _say(f"{place} of {len(tasks)} worlds: {name}")
                advance(place, len(tasks))
    return results


def false_alarms(told: Sequence[Told], days: int, prompts: int) -> list[Calm]:
    """What was told of the calm service, by rule; each firing counts once."""
    steady, releasing = -(-prompts // 2), prompts // 2
    since = BEGAN + timedelta(days=_REFERENCE_DAYS)
    weeks = {
        **dict.fromkeys(FAMILIES, steady * max(days - _REFERENCE_DAYS, 0) / 7.0),
        VersionRegression.name: releasing * days / 7.0,
    }
    firings = {(each.rule, each.firing) for each in told if each.rule not in FAMILIES or each.at >= since}
    counts = Counter(rule for rule, _ in firings)
    found = []
    for rule in sorted({*weeks, "feedback_above_usual", "cost_jump", "kill_limit", "ingest_stale", *counts}):
        of = weeks.get(rule, prompts * days / 7.0)
        rate = counts[rule] / of if of else 0.0
        found.append(Calm(rule=rule, alarms=counts[rule], prompt_weeks=of, per_prompt_week=rate))
    return found


def by_kind(incidents: Sequence[Incident]) -> list[Found]:
    """How soon and how surely each kind was told."""
    found = []
    for kind in dict.fromkeys(each.kind for each in incidents):
        mine = [each for each in incidents if each.kind == kind]
        hours = [each.delay_s / 3_600.0 for each in mine if each.delay_s is not None]
        p50, p95 = (float(np.quantile(hours, share)) if hours else None for share in (0.5, 0.95))
        found.append(
            Found(
                kind=kind,
                incidents=len(mine),
                recall=len(hours) / len(mine),
                to_message_h_p50=p50,
                to_message_h_p95=p95,
                messages_per_incident=sum(each.messages for each in mine) / len(mine),
            )
        )
    return found


def by_rule(incidents: Sequence[Incident], kinds: Sequence[Kind]) -> list[RuleFound]:
    """How right each rule was."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    told: dict[str, list[bool]] = {}
    rules: Mapping[str, frozenset[str]] = {each.name: each.rules for each in kinds}
    for each in incidents:
        right.update(each.right)
        wrong.update(each.wrong)
        for rule in rules[each.kind]:
            told.setdefault(rule, []).append(each.delay_s is not None)
    found = []
    for rule in sorted({*right, *wrong, *told}):
        fired = right[rule] + wrong[rule]
        found.append(
            RuleFound(
                rule=rule,
                right=right[rule],
                wrong=wrong[rule],
                precision=right[rule] / fired if fired else None,
                recall=sum(told[rule]) / len(told[rule]) if rule in told else None,
            )
        )
    return found


def table(calm_part: Sequence[Calm], kinds: Sequence[Found], rules: Sequence[RuleFound]) -> str:
    """The figures for people."""
    heading = f"{'alarms':>8}{'prompt-weeks':>14}{'per prompt-week':>17}"
    lines = [f"{'false alarms of a calm service':<30}{heading}"]
    lines += [
        f"{each.rule:<30}{each.alarms:>8}{each.prompt_weeks:>14.1f}{each.per_prompt_week:>17.3f}"
        for each in calm_part
    ]
    lines += ["", f"{'regression':<32}{'of':>5}{'recall':>8}{'h p50':>8}{'h p95':>8}{'messages':>10}"]
    lines += [
        f"{each.kind:<32}{each.incidents:>5}{each.recall:>8.2f}{_number(each.to_message_h_p50):>8}"
        f"{_number(each.to_message_h_p95):>8}{each.messages_per_incident:>10.2f}"
        for each in kinds
    ]
    lines += ["", f"{'rule':<32}{'right':>8}{'wrong':>8}{'precision':>11}{'recall':>8}"]
    lines += [
        f"{each.rule:<32}{each.right:>8}{each.wrong:>8}{_number(each.precision):>11}{_number(each.recall):>8}"
        for each in rules
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; returns 0 if no rule raises more false alarms than `MOST_FALSE`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alerts", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=DAYS, help=f"of the calm part; 0: without it ({DAYS})")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"changes of each kind ({RUNS})")
    parser.add_argument("--prompts", type=int, default=PROMPTS, help=f"of the calm part ({PROMPTS})")
    names = [each.name for each in KINDS]
    parser.add_argument("--kind", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--keep", type=Path, help="keep what is done in this file, and go on from there")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    if options.days < 0 or options.runs < 0 or options.prompts < 2:
        parser.error("give 0 days and runs at least, and 2 prompts")
    kinds = [each for each in KINDS if each.name in (options.kind or names)]
    results = run(options.days, options.runs, options.prompts, kinds, show=True, path=options.keep)
    calm_part = false_alarms(results.calm, options.days, options.prompts)
    found, rules = by_kind(results.incidents), by_rule(results.incidents, kinds)
    print(table(calm_part, found, rules))
    noisy = [each for each in calm_part if each.per_prompt_week > MOST_FALSE]
    for each in noisy:
        print(f"noisy: {each.rule} raises {each.per_prompt_week:.2f} false alarms for each prompt and week")
    if options.json:
        incidents = len(results.incidents)
        figures = {
            "false_alarms": {each.rule: asdict(each) for each in calm_part},
            "regressions": {each.kind: asdict(each) for each in found},
            "rules": {each.rule: asdict(each) for each in rules},
            "messages_per_incident": sum(each.messages for each in results.incidents) / incidents
            if incidents
            else None,
            "precision": _precision(rules),
            "within_targets": not noisy,
        }
        print(json.dumps(figures))
    return 1 if noisy else 0


def _precision(rules: Sequence[RuleFound]) -> float | None:
    right, fired = sum(each.right for each in rules), sum(each.right + each.wrong for each in rules)
    return right / fired if fired else None


if __name__ == "__main__":
    sys.exit(main())
