"""The model: sessions of users turn into timed calls, feedback and scores.

Pure and seeded. Nothing here knows about clocks, ids or how events are sent.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from coalmine_simulator.actions import Action, FeedbackAction, RequestAction, ScoreAction
from coalmine_simulator.incidents import effect_at
from coalmine_simulator.outcomes import Outcome, draw_outcome
from coalmine_simulator.reactions import draw_reaction, draw_score
from coalmine_simulator.streams import Streams
from coalmine_simulator.traffic import session_starts
from coalmine_simulator.users import User, Users
from coalmine_simulator.version_choice import Chooser, StoryChooser

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from coalmine_simulator.config import SimulationConfig
    from coalmine_simulator.profiles import PromptProfile

__all__ = ["Simulation"]

_HANDOVER_S = 0.05
"""Between the end of a call and the call it leads to."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that is about to begin."""

    at_s: float
    prompt: PromptProfile
    user: User
    session_id: str
    trace_id: str
    then: tuple[tuple[float, str], ...] = ()
    """Seconds of thought and trace id of each call the user will still begin in this session. Drawn
    when the session opens, so that how one prompt's calls go cannot move another's sessions."""
    parent: int | None = None


class Simulation:
    """A configuration and a seed; iterating yields the same timed actions every time, without end.

    Actions come in order of `at_s`. A feedback or score always comes after its request, often long
    after; a call that another one led to comes after that one.

    Args:
        config: Who does what.
        seed: Of everything that is drawn.
        chooser: Which version a call gets; by default what the configuration tells. One that asks a
            registry gives the same actions for as long as the registry gives the same answers.
    """

    def __init__(self, config: SimulationConfig, seed: int, chooser: Chooser | None = None) -> None:
        self.config = config
        self.seed = seed
        self.chooser = chooser or StoryChooser()

    def __iter__(self) -> Iterator[Action]:
        """All actions, endlessly."""
        return _Course(self.config, self.seed, self.chooser).actions()

    def until(self, end_s: float) -> Iterator[Action]:
        """The actions sent before a moment; what is still under way then is left out."""
        for action in self:
            if action.at_s >= end_s:
                return
            yield action


class _Course:
    """One run through a simulation: a queue of what happens next."""

    def __init__(self, config: SimulationConfig, seed: int, chooser: Chooser) -> None:
        self._config = config
        self._chooser = chooser
        self._streams = Streams(seed)
        self._users = Users(config.population, self._streams.stream("users"))
        self._choices = self._streams.stream("sessions")
        self._sessions = session_starts(config.traffic, self._streams.stream("arrivals"))
        self._entries = [prompt for prompt in config.prompts if prompt.weight > 0]
        self._entry_weights = [prompt.weight for prompt in self._entries]
        self._queue: list[tuple[float, int, _Call | Action]] = []
        self._order = count()
        self._numbers = count()

    def actions(self) -> Iterator[Action]:
        for starts_at_s in self._sessions:
            while self._queue and self._queue[0][0] <= starts_at_s:
                happening = heapq.heappop(self._queue)[2]
                if isinstance(happening, _Call):
                    self._begin(happening)
                else:
                    yield happening
            self._push(starts_at_s, self._open_session(starts_at_s))

    def _push(self, at_s: float, happening: _Call | Action) -> None:
        # The running number makes the order of simultaneous entries certain.
        heapq.heappush(self._queue, (at_s, next(self._order), happening))

    def _open_session(self, at_s: float) -> _Call:
        rng = self._choices
        stop = 1.0 / self._config.traffic.calls_per_session
        # Geometric by inversion; `1 - random()` is never 0.
        more = 0 if stop >= 1 else int(math.log(1.0 - rng.random()) / math.log(1.0 - stop))
        think_time = self._config.traffic.think_time_s
        return _Call(
            at_s=at_s,
            prompt=rng.choices(self._entries, self._entry_weights)[0],
            user=self._users.pick(rng),
            session_id=f"session-{rng.getrandbits(48):012x}",
            trace_id=_trace_id(rng),
            then=tuple((think_time.sample(rng), _trace_id(rng)) for _ in range(more)),
        )

    def _begin(self, call: _Call) -> None:
        """Draw how a call goes and queue everything that comes of it."""
        config, prompt, user = self._config, call.prompt, call.user
        chosen = self._chooser.choose(prompt, user, call.session_id, call.at_s)
        profile = chosen.profile
        effect = effect_at(
            config.incidents,
            call.at_s,
            prompt=prompt.name,
            version=profile.version,
            model=profile.model,
            provider=profile.provider,
        )
        # One stream per version: what one version does leaves every other's draws alone.
        rng = self._streams.stream(f"calls/{prompt.name}/{profile.version}")
        outcome = draw_outcome(profile, effect, user, rng)
        number = next(self._numbers)
        ends_at_s = call.at_s + outcome.latency_ms / 1000.0

        followups = self._followups(call, profile.version, number, outcome, ends_at_s)
        request = RequestAction(
            at_s=ends_at_s,
            started_at_s=call.at_s,
            number=number,
            followups=len(followups),
            app=prompt.app,
            environment=prompt.environment,
            prompt=prompt.name,
            version=profile.version,
            unit_id=user.unit_id,
            session_id=call.session_id,
            trace_id=call.trace_id,
            provider=profile.provider,
            request_model=profile.model,
            latency_ms=outcome.latency_ms,
            segments=user.segments,
            metrics=_metrics(prompt, outcome),
            parent=call.parent,
            variant=chosen.variant,
            experiment=chosen.experiment,
            allocation_epoch=chosen.allocation_epoch,
            resolution=chosen.resolution,
            response_model=outcome.response_model,
            input_tokens=outcome.input_tokens,
            cached_input_tokens=outcome.cached_input_tokens,
            output_tokens=outcome.output_tokens,
            time_to_first_token_ms=outcome.time_to_first_token_ms,
            finish_reason=outcome.finish_reason,
            error_type=outcome.error_type,
            quality=outcome.quality,
        )
        self._push(ends_at_s, request)
        for happening in followups:
            self._push(happening.at_s, happening)
        if call.then:
            (pause_s, trace_id), *then = call.then
            again = replace(call, at_s=ends_at_s + pause_s, trace_id=trace_id, then=tuple(then))
            self._push(again.at_s, again)

    def _followups(
        self, call: _Call, version: str, number: int, outcome: Outcome, ends_at_s: float
    ) -> list[_Call | Action]:
        """Everything that refers to a call: feedback, a score, the call it leads to."""
        prompt = call.prompt
        rng = self._streams.stream(f"reactions/{prompt.name}/{version}")
        found: list[_Call | Action] = []
        if outcome.quality is not None:
            reaction = draw_reaction(prompt.feedback, outcome.quality, rng)
            if reaction is not None:
                feedback = FeedbackAction(
                    at_s=ends_at_s + reaction.delay_s,
                    request=number,
                    app=prompt.app,
                    environment=prompt.environment,
                    prompt=prompt.name,
                    version=version,
                    unit_id=call.user.unit_id,
                    thumbs=reaction.thumbs,
                    rating=reaction.rating,
                    comment=reaction.comment,
                    correction=reaction.correction,
                )
                found.append(feedback)
            scored = draw_score(prompt.judge, outcome.quality, rng) if prompt.judge else None
            if prompt.judge is not None and scored is not None:
                value, delay_s = scored
                score = ScoreAction(
                    at_s=ends_at_s + delay_s,
                    request=number,
                    app=prompt.app,
                    environment=prompt.environment,
                    prompt=prompt.name,
                    version=version,
                    name="quality",
                    value=value,
                    source="judge",
                    scorer=prompt.judge.scorer,
                )
                found.append(score)
        led = prompt.leads_to
        if led is not None and outcome.error_type is None and rng.random() < led.probability:
            child = _Call(
                at_s=ends_at_s + _HANDOVER_S,
                prompt=self._config.prompt(led.prompt),
                user=call.user,
                session_id=call.session_id,
                trace_id=call.trace_id,
                parent=number,
            )
            found.append(child)
        return found


def _trace_id(rng: random.Random) -> str:
    return f"{rng.getrandbits(128):032x}"


def _metrics(prompt: PromptProfile, outcome: Outcome) -> tuple[tuple[str, float], ...]:
    """Numbers the service measures itself; quality is among them where no judge scores it later."""
    if outcome.error_type is not None:
        return ()
    measured = [("refusal", 1.0 if outcome.refused else 0.0)]
    if prompt.judge is None and outcome.quality is not None:
        measured.insert(0, ("quality", outcome.quality))
    return tuple(measured)
