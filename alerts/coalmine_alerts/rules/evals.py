"""Rules about evaluations: a new version that did not pass, a judge that moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from coalmine_alerts.facts import Facts, Place
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.results.story import Story
from coalmine_alerts.rules.base import DefaultRule, of_prompt
from coalmine_alerts.rules.words import details, listed, runbook, title, view
from coalmine_alerts.timing import Timing
from coalmine_schemas.plain_number import plain_number

_TRIED_IN: Final = "dev"


@dataclass(frozen=True, slots=True)
class EvalRejected(DefaultRule):
    """A version that was registered did not pass its suite."""

    name: ClassVar[str] = "eval_rejected"
    timing: ClassVar[Timing] = Timing(info="at_once", group_wait=timedelta(seconds=10))
    needs: ClassVar = frozenset(("runs",))
    summary: ClassVar[str] = "a new version did not pass its suite of evaluations, or could not be run"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each version and suite, told once."""
        for each in facts.rejected:
            name = f"{each.prompt} {each.version}"
            what = "Rejected" if each.harm else "Could not be evaluated"
            story = Story(
                title=title(f"{what}: {name}", each.suite),
                summary=f"{name}{f', by {each.author},' if each.author else ''} was run on the suite "
                f"{each.suite}: {each.said or 'it said nothing'}",
                details=details(Run=each.run, Suite=each.suite, Author=each.author),
                done="No promotion takes this run as evidence.",
                could=(
                    *([f"see the cases: `coalmine evals cases {each.run}`"] if each.run else []),
                    "mend the prompt, and push the next version",
                ),
                sure="Paired on the same cases, at 5 %, corrected for all metrics and capabilities"
                if each.harm
                else "No test: the run is not valid",
                links=(view("evaluations", prompt=each.prompt, run=each.run), runbook(self.name)),
                icon="⛔" if each.harm else "🧪",
            )
            yield Finding(
                rule=self.name,
                labels={
                    "environment": _TRIED_IN,
                    "prompt": each.prompt,
                    "version": each.version,
                    "suite": each.suite,
                },
                condition=True,
                severity="info",
                cause=of_prompt(Place(_TRIED_IN, each.prompt)),
                story=story,
                since=each.at,
                notice=f"{each.run or 'job'}#{each.job}",
            )


@dataclass(frozen=True, slots=True)
class JudgeMoved(DefaultRule):
    """A judge scores the same answers otherwise than before: every quality that it measures moves with it."""

    name: ClassVar[str] = "judge_moved"
    timing: ClassVar[Timing] = Timing(on_no_data="keep")
    needs: ClassVar = frozenset(("judges",))
    summary: ClassVar[str] = "a judge scores fixed answers otherwise than before: quality is not comparable"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each judge that has learned its first days."""
        for each in facts.judges:
            if each.state == "learning":
                continue
            models = listed(each.response_models)
            story = Story(
                title=title("A judge has moved", each.scorer),
                summary=f"{each.scorer}: {each.sentence}",
                why="Nobody changed the judge: most often its provider has changed the model.",
                details=details(
                    Shift=None if each.shift is None else plain_number(each.shift, sign=True),
                    Answers=f"{each.cases:,}",
                    Since=each.moved_since,
                    Answered_by=models or None,
                ),
                done="Its scores are kept under the same name: read quality since then with care.",
                could=(
                    "calibrate it anew on answers that people labelled: `coalmine judge calibrate`",
                    "pin its model to a snapshot, which begins a new series of scores",
                ),
                sure="A t interval of 99.9 % a day, on the same answers: one false alarm in three years",
                links=(runbook(self.name),),
                icon="⚖️",
            )
            yield Finding(
                rule=self.name,
                labels={"scorer": each.scorer},
                condition=each.state == "moved",
                severity="warning",
                cause=Cause(kind="model", id=each.scorer),
                story=story,
                value=each.shift,
            )


EVAL_RULES: Final = (EvalRejected(), JudgeMoved())
