"""Whatever an author does: nobody sees more of what they wrote than another person approved."""

import shutil
import tempfile
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from coalmine_registry.errors import Refused
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.errors import CoalmineError
from coalmine_schemas.prompts import Arm, PromptContent, Rule, ServeVersion, Snapshot, percent
from coalmine_schemas.prompts.resolve import matches
from tests.support.campaign import size
from tests.support.data.prompt_examples import content

_AUTHOR = Actor("ann", Role.APPROVER, "token-ann")
_APPROVER = Actor("bob", Role.APPROVER, "token-bob")
_SYSTEM = Actor.of_system()
_OWN = "Send it all to {{ question }}"
_PROMPTS = ("p", "q")
_VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
_PROFILES = [
    {"tier": tier, "country": country}
    for tier, country in product(("free", "paid", "none"), ("de", "fr", "none"))
]

_actor = st.sampled_from([_AUTHOR, _AUTHOR, _AUTHOR, _SYSTEM, _APPROVER])
_prompt = st.sampled_from(_PROMPTS)
_version = st.sampled_from(_VERSIONS)
_weight = st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0])
_when = st.dictionaries(
    st.sampled_from(["tier", "country"]),
    st.lists(st.sampled_from(["free", "paid", "de", "fr"]), min_size=1, max_size=3, unique=True).map(tuple),
    min_size=1,
)


def _shares(snapshot: Snapshot) -> dict[tuple[str, int], float]:
    """What share of each prompt's users is shown the author's text, by profile."""
    found = {}
    own = [name for name, each in snapshot.contents.items() if each.template == _OWN]
    for prompt, served in snapshot.prompts.items():
        for number, profile in enumerate(_PROFILES):
            serve = next((each.serve for each in served.rules if matches(each, profile)), served.default)
            if isinstance(serve, ServeVersion):
                arms: tuple[Arm, ...] = (Arm("only", serve.version, 1.0),)
            else:
                arms = served.experiments[serve.experiment].arms
            found[prompt, number] = sum(
                arm.weight
                for arm in arms
                for reference in [f"{prompt}@{arm.version}"]
                if {reference, *snapshot.contents[reference].includes()} & set(own)
            )
    return found


class _FourEyes(RuleBasedStateMachine):
    """Ann writes and decides, Bob writes and decides, Coalmine acts; Ann's text is registered by both."""

    address: str

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.registry = Registry.open(shutil.copy(self.address, Path(self.folder.name) / "registry.db"))
        self.approved: dict[tuple[str, int], float] = {}
        self.experiments = 0

    def teardown(self) -> None:
        self.registry.close()
        self.folder.cleanup()

    @initialize()
    def texts(self) -> None:
        own = content(_OWN)
        self.registry.register(_AUTHOR, "part", "1.0.0", own)
        for prompt in _PROMPTS:
            self.registry.register(
                _APPROVER, prompt, "1.0.0", content(f"By Bob: {prompt} {{{{ question }}}}")
            )
            self.registry.register(_AUTHOR, prompt, "1.1.0", own)
            self.registry.register(_APPROVER, prompt, "1.2.0", own)
            wrapped = PromptContent(template='Hello {% include "part@1.0.0" %}', variables=own.variables)
            self.registry.register(_APPROVER, prompt, "1.3.0", wrapped)
            self.registry.promote(_AUTHOR, prompt, "1.0.0", "prod")

    def _try(self, actor: Actor, what: Any) -> None:
        try:
            what()
        except Refused:
            return
        except CoalmineError as error:
            raise AssertionError(f"{actor.subject}: {error}") from error
        if actor is _APPROVER:
            for key, share in _shares(self.registry.snapshot("prod")).items():
                self.approved[key] = max(share, self.approved.get(key, 0.0))

    @rule(actor=_actor, prompt=_prompt, version=_version)
    def promote(self, actor: Actor, prompt: str, version: str) -> None:
        self._try(actor, lambda: self.registry.promote(actor, prompt, version, "prod"))

    @rule(actor=_actor)
    def approve(self, actor: Actor) -> None:
        for each in self.registry.promotions("pending").items[:1]:
            self._try(actor, partial(self.registry.approve, actor, each.id))

    @rule(actor=_actor, prompt=_prompt, treatment=_version, other=_version, control=_version, weight=_weight)
    def start(
        self, actor: Actor, prompt: str, treatment: str, other: str, control: str, weight: float
    ) -> None:
        self.experiments += 1
        arms = [
            Arm("a", treatment, weight / 2),
            Arm("b", other, weight / 2),
            Arm("control", control, 1 - weight),
        ]
        name = f"experiment-{self.experiments}"
        place = ["first", None][self.experiments % 2]
        self._try(actor, lambda: self.registry.start_experiment(actor, "prod", prompt, name, arms, place))

    @rule(actor=_actor, weight=_weight, weight_of_b=_weight)
    def reweigh(self, actor: Actor, weight: float, weight_of_b: float) -> None:
        for each in self.registry.experiments(status="running").items[:2]:
            weights = {"a": weight * 0.5, "b": weight_of_b * 0.5}
            self._try(
                actor, lambda each=each, weights=weights: self.registry.set_weights(actor, each.name, weights)
            )

    @rule(actor=_actor, keep=st.sampled_from([None, "a", "b", "control"]))
    def stop(self, actor: Actor, keep: str | None) -> None:
        for each in self.registry.experiments(status="running").items[:1]:
            self._try(actor, partial(self.registry.stop_experiment, actor, each.name, keep))

    @rule(actor=_actor, prompt=_prompt, to=st.none() | _version)
    def roll_back(self, actor: Actor, prompt: str, to: str | None) -> None:
        self._try(actor, lambda: self.registry.rollback(actor, "prod", prompt, to))

    @rule(actor=_actor, prompt=_prompt, rules=st.lists(st.tuples(_when, _version), max_size=3))
    def set_rules(
        self, actor: Actor, prompt: str, rules: list[tuple[dict[str, tuple[str, ...]], str]]
    ) -> None:
        names = ("first", "second", "third")
        wanted = [
            Rule(name, when, ServeVersion(served)) for name, (when, served) in zip(names, rules, strict=False)
        ]
        self._try(actor, lambda: self.registry.set_rules(actor, "prod", prompt, wanted))

    @invariant()
    def nobody_sees_more_of_it_than_was_approved(self) -> None:
        for key, share in _shares(self.registry.snapshot("prod")).items():
            assert share <= self.approved.get(key, 0.0) + 1e-9, key


def test_no_author_shows_more_than_another_person_approved(migrated_file: Path) -> None:
    machine: Any = type("FourEyes", (_FourEyes,), {"address": str(migrated_file)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=size(6, 1000),
            stateful_step_count=size(25, 50),
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.5, "50%"),
        (0.05, "5%"),
        (0.005, "0.5%"),
        (0.001, "0.1%"),
        (0.00001, "0.001%"),
        (1e-12, "1e-10%"),
        (0.995, "99.5%"),
        (0.9999, "99.99%"),
        (1 / 3, "33.3%"),
        (0.125, "12.5%"),
        (1 - 1e-12, "99.9999999999%"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_all(share: float, shown: str) -> None:
    assert percent(share) == shown
